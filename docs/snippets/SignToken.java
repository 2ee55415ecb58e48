// Sign a visitor in from a Java backend (JDK 17 or newer, no packages).
//
// SIGNING_SECRET=… java SignToken.java SUBJECT NAME SHARE_URL

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.GeneralSecurityException;
import java.time.Instant;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class SignToken {

    /** The address to send a signed-in visitor to. Make a new one for every visit. */
    static String visitorUrl(String shareUrl, String subject, String name, String secret)
            throws GeneralSecurityException {
        long now = Instant.now().getEpochSecond();
        String header = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
        String claims = "{"
                + "\"sub\":" + json(subject) + "," // who it is: the same text for the same person, for ever
                + "\"name\":" + json(name) + "," // what operators see
                + "\"iss\":\"portal\"," // the issuer's name in shareauth
                + "\"aud\":\"shareauth\","
                + "\"iat\":" + now + ","
                + "\"exp\":" + (now + 600) // time to open the link, not to chat
                + "}";
        String signed = base64url(header.getBytes(UTF_8)) + "." + base64url(claims.getBytes(UTF_8));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(secret.getBytes(UTF_8), "HmacSHA256"));
        String signature = base64url(mac.doFinal(signed.getBytes(UTF_8)));
        return shareUrl + "&authToken=" + signed + "." + signature;
    }

    static String base64url(byte[] bytes) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    }

    /** A JSON string; with Jackson or Gson at hand, let it write the claims instead. */
    static String json(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            boolean plain = one >= ' ' && one != '"' && one != '\\';
            quoted.append(plain ? String.valueOf(one) : String.format("\\u%04x", (int) one));
        }
        return quoted.append('"').toString();
    }

    public static void main(String[] args) throws GeneralSecurityException {
        String secret = System.getenv("SIGNING_SECRET");
        System.out.println(visitorUrl(args[2], args[0], args[1], secret));
    }
}
