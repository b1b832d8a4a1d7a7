"""A server of each kind that the stages of tests/status/stages.py name, on loopback.

    servers = Servers()
    servers.values     # the words that name them: {"TAKER": PORT, "WEB": PORT, "GATEWAY": PORT,
                       #  "KAFKA": HOST:PORT, "TABLE": URL, "HIVE": URL}
    servers.kafka.fill("lines"); servers.mariadb.fill("lines")
    servers.close()
"""
import avro_rpc
import fake_metastore
import hbase_gateway
import http_server
import kafka_mock
import mariadb_server


class Servers:
    def __init__(self):
        self.avro = avro_rpc.Server()
        self.web = http_server.Server().start()
        self.kafka = kafka_mock.Cluster()
        self.hbase = hbase_gateway.Gateway({"t": ["f"]}).start()
        self.values = {"TAKER": str(self.avro.port), "WEB": str(self.web.port),
                       "GATEWAY": str(self.hbase.port), "KAFKA": self.kafka.address}
        self.mariadb = mariadb_server.open_for_all()
        self.mariadb.run("CREATE TABLE IF NOT EXISTS `lines` (line VARCHAR(200) PRIMARY KEY)")
        self.values["TABLE"] = self.mariadb.url("lines")
        self.values["HIVE"] = fake_metastore.shared().url

    def close(self):
        for each in (self.avro, self.web, self.hbase, self.kafka):
            each.close()
