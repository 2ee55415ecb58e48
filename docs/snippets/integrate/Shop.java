// A shop's three calls to shareauth (JDK 17 or newer, no packages; use your JSON library instead
// of the two small helpers at the end).
//
// SHAREAUTH_URL=https://auth.example SHAREAUTH_TOKEN=saa_… java Shop.java visit LINK CUSTOMER NAME
// … java Shop.java balance USER
// … java Shop.java paid USER ORDER AMOUNT

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class Shop {
    private static final HttpClient HTTP =
            HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();

    // One call of the JSON API; an error throws and says its code.
    static String call(String method, String path, String body, String key) throws Exception {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(
                                URI.create(System.getenv("SHAREAUTH_URL") + "/admin/api/v1" + path))
                        .timeout(Duration.ofSeconds(10))
                        .header("Authorization", "Bearer " + System.getenv("SHAREAUTH_TOKEN"))
                        .header("Content-Type", "application/json")
                        .method(
                                method,
                                body == null
                                        ? HttpRequest.BodyPublishers.noBody()
                                        : HttpRequest.BodyPublishers.ofString(body));
        if (key != null) {
            request.header("Idempotency-Key", key);
        }
        HttpResponse<String> response =
                HTTP.send(request.build(), HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() >= 300) {
            throw new IllegalStateException(
                    response.statusCode() + " " + member(response.body(), "code"));
        }
        return response.body();
    }

    // At your login: the user to remember for the customer, and where to send them.
    static String visit(String link, String customer, String name) throws Exception {
        String body =
                "{\"link_id\": %d, \"subject\": %s, \"create_user\": true, \"name\": %s, \"ttl_s\": 600}"
                        .formatted(Long.parseLong(link), quoted(customer), quoted(name));
        String made = call("POST", "/visitor-urls", body, null);
        return member(made, "user_id") + " " + member(made, "visitor_url");
    }

    // What the customer has left, as decimal text.
    static String balance(String user) throws Exception {
        return member(call("GET", "/users/" + user + "/wallet", null, null), "balance");
    }

    // After a payment. The order number is the key: however often it is sent, it counts once.
    static String paid(String user, String order, String amount) throws Exception {
        String body =
                "{\"amount\": %s, \"reason\": %s}".formatted(quoted(amount), quoted("order " + order));
        return member(call("POST", "/users/" + user + "/top-ups", body, "order-" + order), "balance");
    }

    public static void main(String[] given) throws Exception {
        try {
            System.out.println(
                    switch (given[0]) {
                        case "visit" -> visit(given[1], given[2], given[3]);
                        case "balance" -> balance(given[1]);
                        default -> paid(given[1], given[2], given[3]);
                    });
        } catch (IllegalStateException error) {
            System.err.println(error.getMessage());
            System.exit(1);
        }
    }

    private static String quoted(String text) {
        StringBuilder json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            json.append(c < ' ' || c == '"' || c == '\\' ? "\\u%04x".formatted((int) c) : c);
        }
        return json.append('"').toString();
    }

    private static String member(String json, String name) {
        Matcher found =
                Pattern.compile("\"" + name + "\": ?\"?([^\",}]*)").matcher(json);
        return found.find() ? found.group(1) : "";
    }
}
