// Prints what a serializer of Flume makes of events, a cell a line: KEY COLUMN VALUE in hex, and
// "+ KEY COLUMN N" for an increment.
// usage: FlumeRows CLASS [NAME=VALUE...] -- BODY...    a body in hex; the header h is its number
import java.nio.charset.StandardCharsets;
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

  public static void main(String[] words) throws Exception {
    var context = new Context();
    int at = 1;
    for (; !words[at].equals("--"); ++at) {
      String[] pair = words[at].split("=", 2);
      context.put(pair[0], pair[1]);
    }
    var serializer =
        (HBase2EventSerializer) Class.forName(words[0]).getDeclaredConstructor().newInstance();
    serializer.configure(context);
    int number = 0;
    for (++at; at < words.length; ++at) {
      var headers = Map.of("h", String.valueOf(number++));
      serializer.initialize(
          EventBuilder.withBody(HexFormat.of().parseHex(words[at]), headers),
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
}
