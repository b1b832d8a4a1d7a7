// Disables the table that is named, as hbase shell does.
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.ConnectionFactory;

public class DisableTable {
  public static void main(String[] words) throws Exception {
    try (var connection = ConnectionFactory.createConnection(HBaseConfiguration.create());
        var admin = connection.getAdmin()) {
      admin.disableTable(TableName.valueOf(words[0]));
    }
    System.exit(0);
  }
}
