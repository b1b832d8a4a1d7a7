// Programs that send to a Flume with its own classes. Each event's body is "MODE NUMBER".
// usage: java Clients.java MODE COUNT HOST:PORT [HOST:PORT]
//   single, batch: Flume's RpcClient; balance, failover: its clients for several hosts;
//   log4j: the appender of log4j
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.flume.Event;
import org.apache.flume.api.RpcClient;
import org.apache.flume.api.RpcClientFactory;
import org.apache.flume.clients.log4jappender.Log4jAppender;
import org.apache.flume.event.EventBuilder;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;
import org.apache.log4j.PatternLayout;

public class Clients {
  static final int BATCH = 100;

  static Properties hosts(String type, List<String> places) {
    Properties properties = new Properties();
    StringBuilder names = new StringBuilder();
    for (int i = 0; i < places.size(); i++) {
      names.append("h").append(i).append(' ');
      properties.setProperty("hosts.h" + i, places.get(i));
    }
    properties.setProperty("client.type", type);
    properties.setProperty("hosts", names.toString().trim());
    properties.setProperty("batch-size", "" + BATCH);
    properties.setProperty("host-selector", "round_robin");
    return properties;
  }

  static void log(int count, String host, int port) {
    Log4jAppender appender = new Log4jAppender();
    appender.setHostname(host);
    appender.setPort(port);
    appender.setLayout(new PatternLayout("%m"));
    appender.activateOptions();
    Logger logger = Logger.getLogger("Clients");
    logger.setLevel(Level.INFO);
    logger.addAppender(appender);
    for (int i = 0; i < count; i++) {
      logger.info("log4j " + i);
    }
    appender.close();
  }

  public static void main(String[] arguments) {
    try {
      run(arguments);
    } catch (Throwable fault) {  // the client's threads would keep the program alive
      fault.printStackTrace();
      System.exit(1);
    }
    System.exit(0);
  }

  static void run(String[] arguments) throws Exception {
    String mode = arguments[0];
    int count = Integer.parseInt(arguments[1]);
    List<String> places = List.of(arguments).subList(2, arguments.length);
    String[] first = places.get(0).split(":");
    int port = Integer.parseInt(first[1]);
    if (mode.equals("log4j")) {
      log(count, first[0], port);
      return;
    }
    RpcClient client =
        mode.equals("single") || mode.equals("batch")
            ? RpcClientFactory.getDefaultInstance(first[0], port, BATCH)
            : RpcClientFactory.getInstance(
                hosts(mode.equals("balance") ? "default_loadbalance" : "default_failover", places));
    List<Event> batch = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Event event = EventBuilder.withBody(mode + " " + i, StandardCharsets.UTF_8);
      if (mode.equals("single")) {
        client.append(event);
        continue;
      }
      batch.add(event);
      if (batch.size() == BATCH || i == count - 1) {
        client.appendBatch(batch);
        batch.clear();
      }
    }
    client.close();
  }
}
