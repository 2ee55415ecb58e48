// A shop's three calls to shareauth (Node.js 18 or newer, no packages).
//
// SHAREAUTH_URL=https://auth.example SHAREAUTH_TOKEN=saa_… node shop.mjs visit LINK CUSTOMER NAME
// … node shop.mjs balance USER
// … node shop.mjs paid USER ORDER AMOUNT

// One call of the JSON API; an error throws and says its code.
async function call(method, path, body, key) {
  const response = await fetch(`${process.env.SHAREAUTH_URL}/admin/api/v1${path}`, {
    method,
    body: body && JSON.stringify(body),
    headers: {
      Authorization: `Bearer ${process.env.SHAREAUTH_TOKEN}`,
      "Content-Type": "application/json",
      ...(key && { "Idempotency-Key": key }),
    },
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status} ${answer.code}`);
  return answer;
}

// At your login: where to send the customer, and the user to remember for them.
const visit = (link, customer, name) =>
  call("POST", "/visitor-urls", {
    link_id: Number(link),
    subject: customer,
    create_user: true,
    name,
    ttl_s: 600,
  });

// What the customer has left, as decimal text.
const balance = async (user) => (await call("GET", `/users/${user}/wallet`)).balance;

// After a payment. The order number is the key: however often it is sent, it counts once.
const paid = async (user, order, amount) => {
  const body = { amount, reason: `order ${order}` };
  return (await call("POST", `/users/${user}/top-ups`, body, `order-${order}`)).balance;
};

const [what, ...given] = process.argv.slice(2);
try {
  const made = await { visit, balance, paid }[what](...given);
  console.log(what === "visit" ? `${made.user_id} ${made.visitor_url}` : made);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
