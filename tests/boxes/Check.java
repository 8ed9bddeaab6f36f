import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Calls the class of docs/recipes/spring.md as the login hook would. */
final class Check {
  static final byte[] KEY = "0123456789abcdef0123456789abcdef".getBytes(UTF_8);
  static final byte[] OTHER = "fedcba9876543210fedcba9876543210".getBytes(UTF_8);
  static final byte[] BODY = "{\"user_id\":\"42\"}".getBytes(UTF_8);

  public static void main(String[] arguments) throws Exception {
    long now = Instant.now().getEpochSecond();
    String ts = Long.toString(now);
    QrSignature one = new QrSignature(secret(KEY) + "\n", "https://app.example.com");
    must(one.accepts("a", ts, sign(KEY, "a", ts, BODY), BODY), "a signature is accepted");
    must(!one.accepts("a", ts, sign(KEY, "a", ts, BODY), BODY), "a call that was seen is refused");
    must(one.accepts("b", ts, "v1,x " + sign(KEY, "b", ts, BODY), BODY), "one of several signatures is enough");
    must(!one.accepts("c", ts, sign(OTHER, "c", ts, BODY), BODY), "another secret is refused");
    must(!one.accepts("d", ts, sign(KEY, "d", ts, BODY), "{}".getBytes(UTF_8)), "another body is refused");
    must(!one.accepts("e", ts, sign(KEY, "f", ts, BODY), BODY), "another id is refused");
    for (long off : new long[] {-70, 70}) {
      String then = Long.toString(now + off);
      must(!one.accepts("g", then, sign(KEY, "g", then, BODY), BODY), "a clock that is off by a minute is refused");
    }
    must(!one.accepts("h", "+" + ts, sign(KEY, "h", "+" + ts, BODY), BODY), "a time is digits");
    must(!one.accepts(null, null, null, BODY), "missing fields are refused");

    QrSignature both = new QrSignature(secret(OTHER) + " " + secret(KEY), "https://app.example.com");
    must(both.accepts("i", ts, sign(KEY, "i", ts, BODY), BODY), "the old secret is accepted during a rotation");
    must(both.accepts("j", ts, sign(OTHER, "j", ts, BODY), BODY), "and so is the new one");
    try {
      new QrSignature(secret("short".getBytes(UTF_8)), "https://app.example.com");
      must(false, "a short secret is refused");
    } catch (IllegalStateException expected) {
      // As it should be.
    }

    must(one.isForThisSite(message(Map.of())), "a message for this site");
    must(!one.isForThisSite(message(Map.of("origin", "https://evil.example"))), "another origin");
    must(!one.isForThisSite(message(Map.of("type", "qr.revoke"))), "another type");
    must(!one.isForThisSite(message(Map.of("method", "GET"))), "another method");
    must(!one.isForThisSite(message(Map.of("url", "https://app.example.com/other"))), "another address");
    must(!one.isForThisSite(new JsonNode(null)), "no message");
    System.out.println("all as it should be");
  }

  static JsonNode message(Map<String, String> changed) {
    Map<String, String> members = new HashMap<>(Map.of(
        "type", "qr.login", "method", "POST", "origin", "https://app.example.com",
        "url", "https://app.example.com/_qr/login"));
    members.putAll(changed);
    return new JsonNode(members);
  }

  static String secret(byte[] key) {
    return "whsec_" + Base64.getEncoder().encodeToString(key);
  }

  static String sign(byte[] key, String id, String ts, byte[] body) throws Exception {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    mac.update((id + "." + ts + ".").getBytes(UTF_8));
    return "v1," + Base64.getEncoder().encodeToString(mac.doFinal(body));
  }

  static void must(boolean isSo, String what) {
    if (!isSo) throw new AssertionError(what);
  }
}
