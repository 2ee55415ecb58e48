// Sign a visitor in from a Node.js backend (16 or newer, no packages).
//
// SIGNING_SECRET=… node sign-token.mjs SUBJECT NAME SHARE_URL

import { createHmac } from "node:crypto";

const base64url = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

// The address to send a signed-in visitor to. Make a new one for every visit.
function visitorUrl(shareUrl, subject, name, secret) {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: "HS256", typ: "JWT" };
  const claims = {
    sub: subject, // who it is: the same text for the same person, for ever
    name, // what operators see
    iss: "portal", // the issuer's name in shareauth
    aud: "shareauth",
    iat: now,
    exp: now + 600, // time to open the link, not to chat
  };
  const signed = `${base64url(header)}.${base64url(claims)}`;
  const signature = createHmac("sha256", secret).update(signed).digest("base64url");
  return `${shareUrl}&authToken=${signed}.${signature}`;
}

const [subject, name, shareUrl] = process.argv.slice(2);
console.log(visitorUrl(shareUrl, subject, name, process.env.SIGNING_SECRET));
