"""Hadoop's configuration files for a cluster of cluster.py, from what it consists of.

The `state` is a dict of JSON values:
  host        127.0.0.1; localhost where names matter (Kerberos, TLS)
  dir         the cluster's directory
  user        who runs it
  nameservice "ns1" with two NameNodes, else ""
  namenodes   {"nn" or "nn1", "nn2": {"rpc": port, "http": port, "https": port}}
  datanodes   [{"transfer": port, "http": port, "https": port, "ipc": port}]
  httpfs      port, or 0
  kdc         port, or 0
  tls         "" | "only" (HTTPS_ONLY) | "both" (HTTP_AND_HTTPS)
  client_cert the servers ask for one (with tls)
  block_size  bytes
  ticket      seconds that a Kerberos ticket lives
  token       seconds after which a delegation token is to be renewed
"""
import os
import pathlib
from xml.sax.saxutils import escape

REALM = "EXAMPLE.COM"
PASSWORD = "changeit"


def write_site(path, properties):
    lines = ['<?xml version="1.0"?>', "<configuration>"]
    for name, value in properties.items():
        lines.append(f"  <property><name>{name}</name><value>{escape(str(value))}</value></property>")
    path.write_text("\n".join(lines + ["</configuration>", ""]))


def http_ports(state):
    return "https" if state["tls"] == "only" else "http"


def core_site(state):
    host, user = state["host"], state["user"]
    rpc = next(iter(state["namenodes"].values()))["rpc"]
    properties = {
        "fs.defaultFS": f"hdfs://{state['nameservice'] or f'{host}:{rpc}'}",
        "hadoop.tmp.dir": f"{state['dir']}/data/tmp",
        # The user that runs HttpFS may act for others, as may the superuser of a secure cluster.
        f"hadoop.proxyuser.{user}.hosts": "*",
        f"hadoop.proxyuser.{user}.groups": "*",
    }
    if state["kdc"]:
        keytab = f"{state['dir']}/kdc/all.keytab"
        properties |= {
            "hadoop.security.authentication": "kerberos",
            # Without the type a "secure" NameNode believes user.name= over HTTP.
            "hadoop.http.authentication.type": "kerberos",
            "hadoop.http.authentication.kerberos.principal": f"HTTP/localhost@{REALM}",
            "hadoop.http.authentication.kerberos.keytab": keytab,
            # The cookie must not outlive the ticket that a test lets expire.
            "hadoop.http.authentication.token.validity": max(2, state["ticket"] // 4),
            "hadoop.kerberos.min.seconds.before.relogin": 1,
            **{f"hadoop.proxyuser.{user}.{what}": "*" for user in ("hdfs", "alice")
               for what in ("hosts", "users")},
        }
    return properties


def hdfs_site(state):
    host, directory, service = state["host"], state["dir"], state["nameservice"]
    properties = {
        "dfs.replication": 1,
        "dfs.blocksize": state["block_size"],
        "dfs.namenode.fs-limits.min-block-size": 1024,
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.datanode.hostname": host,
        # Without these a restart means half a minute of safe mode, a killed DataNode is
        # offered for ten minutes, a DataNode waits for a frozen one after it for more than a
        # minute, and every second small file takes 0.4 s to close.
        "dfs.namenode.safemode.extension": 0,
        "dfs.heartbeat.interval": 1,
        "dfs.namenode.heartbeat.recheck-interval": 1000,
        "dfs.client.socket-timeout": 60_000 if os.environ.get("FL_TEST_LONG") == "1" else 5_000,
        "dfs.client.block.write.locateFollowingBlock.initial.delay.ms": 20,
    }
    for name, ports in state["namenodes"].items():
        suffix = f".{service}.{name}" if service else ""
        properties |= {
            f"dfs.namenode.rpc-address{suffix}": f"{host}:{ports['rpc']}",
            f"dfs.namenode.http-address{suffix}": f"{host}:{ports['http']}",
            f"dfs.namenode.https-address{suffix}": f"{host}:{ports['https']}",
            f"dfs.namenode.name.dir{suffix}": f"file://{directory}/data/{name}",
        }
    if service:
        properties |= {
            "dfs.nameservices": service,
            f"dfs.ha.namenodes.{service}": ",".join(state["namenodes"]),
            "dfs.namenode.shared.edits.dir": f"file://{directory}/data/shared",
            f"dfs.client.failover.proxy.provider.{service}":
                "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider",
            "dfs.ha.fencing.methods": "shell(/bin/true)",
            "dfs.ha.automatic-failover.enabled": "false",
            "dfs.ha.tail-edits.period": 1,
        }
    if state["tls"]:
        properties |= {
            "dfs.http.policy": "HTTPS_ONLY" if state["tls"] == "only" else "HTTP_AND_HTTPS",
            "dfs.client.https.need-auth": str(state["client_cert"]).lower(),
        }
    if state["kdc"]:
        keytab = f"{directory}/kdc/all.keytab"
        properties |= {
            "dfs.block.access.token.enable": "true",
            "dfs.namenode.delegation.token.renew-interval": state["token"] * 1000,
            "ignore.secure.ports.for.testing": "true",
            "dfs.namenode.keytab.file": keytab,
            "dfs.datanode.keytab.file": keytab,
            "dfs.web.authentication.kerberos.keytab": keytab,
            "dfs.namenode.kerberos.principal": f"hdfs/localhost@{REALM}",
            "dfs.datanode.kerberos.principal": f"hdfs/localhost@{REALM}",
            "dfs.web.authentication.kerberos.principal": f"HTTP/localhost@{REALM}",
            "dfs.namenode.kerberos.internal.spnego.principal": f"HTTP/localhost@{REALM}",
        }
    return properties


def ssl_site(state, role):
    """ssl-server.xml or ssl-client.xml."""
    tls = f"{state['dir']}/tls"
    properties = {
        f"ssl.{role}.truststore.location": f"{tls}/trust.p12",
        f"ssl.{role}.truststore.password": PASSWORD,
        f"ssl.{role}.truststore.type": "PKCS12",
    }
    if role == "server" or state["client_cert"]:
        properties |= {
            f"ssl.{role}.keystore.location": f"{tls}/server.p12",
            f"ssl.{role}.keystore.password": PASSWORD,
            f"ssl.{role}.keystore.keypassword": PASSWORD,
            f"ssl.{role}.keystore.type": "PKCS12",
        }
    return properties


def httpfs_site(state):
    host, port, user = state["host"], state["httpfs"], state["user"]
    properties = {
        "httpfs.http.hostname": host, "httpfs.http.port": port,
        "hadoop.httpfs.http.host": host, "hadoop.httpfs.http.port": port,
        f"httpfs.proxyuser.{user}.hosts": "*", f"httpfs.proxyuser.{user}.groups": "*",
    }
    if state["tls"]:
        properties |= {"httpfs.ssl.enabled": "true", "hadoop.httpfs.ssl.enabled": "true"}
    if state["kdc"]:
        keytab = f"{state['dir']}/kdc/all.keytab"
        properties |= {
            "httpfs.hadoop.authentication.type": "kerberos",
            "httpfs.hadoop.authentication.kerberos.principal": f"hdfs/localhost@{REALM}",
            "httpfs.hadoop.authentication.kerberos.keytab": keytab,
        }
        # Its own defaults hide what core-site.xml says.
        for prefix in ("httpfs.authentication", "hadoop.http.authentication"):
            properties |= {
                f"{prefix}.type": "kerberos",
                f"{prefix}.kerberos.principal": f"HTTP/localhost@{REALM}",
                f"{prefix}.kerberos.keytab": keytab,
            }
    return properties


def write_log_settings(folder):
    for name, level in (("log4j.properties", "INFO"), ("shell.properties", "ERROR")):
        (folder / name).write_text(
            f"log4j.rootLogger={level},err\n"
            "log4j.appender.err=org.apache.log4j.ConsoleAppender\n"
            "log4j.appender.err.target=System.err\n"
            "log4j.appender.err.layout=org.apache.log4j.PatternLayout\n"
            "log4j.appender.err.layout.ConversionPattern=%d %p %c{1}: %m%n\n")


def write_all(state):
    """conf/ of daemons, shell and clients; httpfs/conf/ of the gateway."""
    directory = pathlib.Path(state["dir"])
    folders = [directory / "conf"]
    # Not in the jars, and the servers do not start without; empty is enough.
    for webapp in ("hdfs", "datanode"):
        (directory / "conf/webapps" / webapp).mkdir(parents=True)
    if state["httpfs"]:
        for folder in ("conf", "log", "temp"):
            (directory / "httpfs" / folder).mkdir(parents=True)
        folders.append(directory / "httpfs/conf")
        write_site(directory / "httpfs/conf/httpfs-site.xml", httpfs_site(state))
        (directory / "httpfs/conf/httpfs-signature.secret").write_text("a secret of the tests\n")
    for folder in folders:
        write_site(folder / "core-site.xml", core_site(state))
        write_site(folder / "hdfs-site.xml", hdfs_site(state))
        if state["tls"]:
            for role in ("server", "client"):
                write_site(folder / f"ssl-{role}.xml", ssl_site(state, role))
        write_log_settings(folder)
