// Prints what a serializer of Flume makes of events, a cell a line: KEY COLUMN VALUE in hex, and
// "+ KEY COLUMN N" for an increment.
// usage: FlumeRows CLASS BODY... < PROPERTIES    a body in hex; the header h is its number
// Each line of PROPERTIES is a serializer of its own, NAME=VALUE by tabs; an empty line ends its cells.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import org.apache.flume.Context;
import org.apache.flume.event.EventBuilder;
import org.apache.flume.sink.hbase2.HBase2EventSerializer;
import org.apache.hadoop.hbase.CellUtil;
import org.apache.hadoop.hbase.client.Mutation;
import org.apache.hadoop.hbase.client.Row;

public class FlumeRows {
  static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  static void print(String name, String properties, String[] bodies) throws Exception {
    var context = new Context();
    for (String property : properties.split("\t")) {
      if (!property.isEmpty()) {
        String[] pair = property.split("=", 2);
        context.put(pair[0], pair[1]);
      }
    }
    var serializer =
        (HBase2EventSerializer) Class.forName(name).getDeclaredConstructor().newInstance();
    serializer.configure(context);
    int number = 0;
    for (String body : bodies) {
      var headers = Map.of("h", String.valueOf(number++));
      serializer.initialize(
          EventBuilder.withBody(HexFormat.of().parseHex(body), headers),
          "f".getBytes(StandardCharsets.UTF_8));
      for (Row row : serializer.getActions()) {
        for (var cells : ((Mutation) row).getFamilyCellMap().values()) {
          for (var cell : cells) {
            System.out.println(hex(row.getRow()) + " "
                + hex(CellUtil.cloneFamily(cell)) + "3a" + hex(CellUtil.cloneQualifier(cell)) + " "
                + hex(CellUtil.cloneValue(cell)));
          }
        }
      }
      for (var increment : serializer.getIncrements()) {
        for (var family : increment.getFamilyMapOfLongs().entrySet()) {
          for (var column : family.getValue().entrySet()) {
            System.out.println("+ " + hex(increment.getRow()) + " " + hex(family.getKey()) + "3a"
                + hex(column.getKey()) + " " + column.getValue());
          }
        }
      }
    }
  }

  public static void main(String[] words) throws Exception {
    String[] bodies = Arrays.copyOfRange(words, 1, words.length);
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      print(words[0], line, bodies);
      System.out.println();
    }
  }
}
