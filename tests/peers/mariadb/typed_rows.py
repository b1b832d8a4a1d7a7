"""A table with a column of each type of MariaDB, in which each row has other values, and what its rows
hold according to the server's own client, to a row as JSON, and to an Avro container.

    server.run(create("typed") + fill("typed", 1, 1000))
    ask("typed")                    # a SELECT for from_client()
    from_client(line)               # (id, [text of each column]), of a line of mariadb --batch
    from_json(line)                 # the same, of an event of fl-source sql
    from_avro(row)                  # the same, of a row as fastavro reads it
    Digests(rows).differences(rows) # what is missing, comes twice or is different

usage: typed_rows.py FILE...        the rows of Avro containers, as lines of JSON; with a Python that has
                                    fastavro
"""
import base64
import hashlib
import json
import struct
import sys

BITS = "CAST(CONV(LEFT({0}(n), 16), 16, 10) AS UNSIGNED)"
TEXT = ("CONCAT(SHA1(n), ELT(n % 9 + 1, '', '\\t', '\\n', '\"\\\\', '\\r\\n', 'ß日本😀', "
        "CHAR(0 USING utf8mb4), '\\\\N', CHAR(31 USING utf8mb4)))")
DIGITS = "CONV(LEFT({0}(n), 14), 16, 10)"
DAY = "INTERVAL n * 7919 % 3287000 DAY"

# (type, value in row n, form). What does not fit into Avro, as the date 0000-00-00, is in test_rows.py.
COLUMNS = [
    ("TINYINT", "n % 256 - 128", "int"),
    ("TINYINT UNSIGNED", "n % 256", "int"),
    ("SMALLINT", "n % 65536 - 32768", "int"),
    ("SMALLINT UNSIGNED", "n * 7 % 65536", "int"),
    ("MEDIUMINT", "n * 7919 % 16777216 - 8388608", "int"),
    ("MEDIUMINT UNSIGNED", "n * 7919 % 16777216", "int"),
    ("INT", "n * 7919 % 4294967296 - 2147483648", "int"),
    ("INT UNSIGNED", "n * 104729 % 4294967296", "int"),
    ("INT(6) ZEROFILL", "n", "int"),
    ("BIGINT", "CAST(CONV(LEFT(MD5(n), 16), 16, -10) AS SIGNED)", "int"),
    ("BIGINT UNSIGNED", BITS.format("SHA1"), "int"),
    ("BOOLEAN", "n % 2", "int"),
    ("YEAR", "1901 + n % 255", "int"),
    ("BIT(1)", "n % 2", "int"),
    ("BIT(63)", BITS.format("MD5") + " >> 1", "int"),
    ("BIT(64)", BITS.format("MD5"), "int"),
    ("DECIMAL(65,30)", f"CONCAT(IF(n % 2, '-', ''), {DIGITS.format('MD5')}, {DIGITS.format('SHA1')}, '.', "
                       f"{DIGITS.format('SHA1')})", "decimal"),
    ("DECIMAL(5,2)", "n % 99999 / 100 * IF(n % 3, 1, -1)", "decimal"),
    ("DECIMAL(65,0)", f"CONCAT({DIGITS.format('MD5')}, {DIGITS.format('SHA1')}, 9999)", "decimal"),
    ("FLOAT", "RAND(n) * POW(10, n % 70 - 36)", "float"),
    ("DOUBLE", "RAND(n) * POW(10, n % 600 - 300) * IF(n % 2, 1, -1)", "double"),
    ("DATE", f"DATE '1000-01-01' + {DAY}", "date"),
    ("TIME", "SEC_TO_TIME(n * 6007 % 6000000 - 3000000)", "time"),
    ("TIME(6)", "SEC_TO_TIME(n * 6007 % 6000000 - 3000000 + n % 1000 / 1000)", "time"),
    ("DATETIME", f"TIMESTAMP '1000-01-01 00:00:00' + {DAY} + INTERVAL n % 86400 SECOND", "moment"),
    ("DATETIME(6)", f"TIMESTAMP '1000-01-01 00:00:00' + {DAY} + INTERVAL n * 999983 MICROSECOND", "moment"),
    ("TIMESTAMP NULL", "FROM_UNIXTIME(1 + n * 42949 % 2147483646)", "moment"),
    ("TIMESTAMP(3) NULL", "FROM_UNIXTIME(1 + n * 42949 % 2147483646 + n % 1000 / 1000)", "moment"),
    ("CHAR(10)", "LEFT(SHA1(n), n % 11)", "text"),
    ("VARCHAR(100)", TEXT, "text"),
    ("VARCHAR(100) CHARACTER SET latin1", "CONCAT(n, ELT(n % 3 + 1, 'äöü', '€', ''))", "text"),
    ("VARCHAR(100) CHARACTER SET utf16", "CONCAT(n, ELT(n % 3 + 1, '𝄞', 'é', ''))", "text"),
    ("VARCHAR(100) CHARACTER SET sjis", "CONCAT(n, ELT(n % 3 + 1, '日本', 'ア', ''))", "text"),
    ("TINYTEXT", TEXT, "text"),
    ("TEXT", f"REPEAT({TEXT}, n % 7)", "text"),
    ("MEDIUMTEXT", f"REPEAT({TEXT}, IF(n % 997, n % 3, 400))", "text"),
    ("LONGTEXT", f"REPEAT({TEXT}, IF(n % 991, n % 3, 1000))", "text"),
    ("BINARY(16)", "UNHEX(MD5(n))", "bytes"),
    ("VARBINARY(20)", "LEFT(UNHEX(SHA1(n)), n % 21)", "bytes"),
    ("TINYBLOB", "UNHEX(MD5(n))", "bytes"),
    ("BLOB", "REPEAT(UNHEX(MD5(n)), n % 5)", "bytes"),
    ("MEDIUMBLOB", "REPEAT(UNHEX(MD5(n)), n % 3)", "bytes"),
    ("LONGBLOB", "REPEAT(UNHEX(SHA1(n)), IF(n % 983, n % 3, 2000))", "bytes"),
    ("ENUM('a','','ß')", "ELT(n % 3 + 1, 'a', '', 'ß')", "text"),
    ("SET('x','y','z')", "n % 8", "text"),
    ("JSON", "JSON_OBJECT('n', n, 'a', JSON_ARRAY(n / 8, NULL, SHA1(n)))", "text"),
    ("UUID", "INSERT(INSERT(MD5(n), 13, 1, '4'), 17, 1, '8')", "text"),
    ("INET4", "CONCAT('10.', n >> 16 & 255, '.', n >> 8 & 255, '.', n & 255)", "text"),
    ("INET6", "CONCAT('2001:db8::', HEX(n % 65536))", "text"),
    ("GEOMETRY", "ST_GeomFromText(CONCAT('LINESTRING(0 0,', n, ' ', -n / 4, ')'), 4326)", "bytes"),
    ("POINT", "ST_GeomFromText(CONCAT('POINT(', n, ' ', -n / 4, ')'))", "bytes"),
]
NAMES = [f"c{i}" for i in range(len(COLUMNS))]


def create(table):
    columns = ", ".join(f"{name} {kind}" for name, (kind, *_) in zip(NAMES, COLUMNS))
    return f"CREATE TABLE {table} (id INT PRIMARY KEY, {columns});"


def fill(table, first, last):
    """The rows from `first` to `last`. Each column is NULL in some of them."""
    values = ", ".join(f"IF(n % {11 + i} = {i % 11}, NULL, {value})"
                       for i, (_, value, _) in enumerate(COLUMNS))
    return (f"SET time_zone = '+00:00'; INSERT INTO {table} SELECT n, {values} "
            f"FROM (SELECT CAST(seq AS SIGNED) AS n FROM seq_{first}_to_{last}) AS numbers;")


def ask(table):
    """In time zone +00:00. What may hold any bytes comes in hexadecimal digits."""
    shown = {"int": "{0} + 0", "float": "CAST({0} AS DOUBLE)", "moment": "CAST({0} AS DATETIME(6))",
             "text": "HEX(CONVERT({0} USING utf8mb4))", "bytes": "HEX({0})"}
    words = ", ".join(shown.get(form, "{0}").format(name) for name, (*_, form) in zip(NAMES, COLUMNS))
    return f"SET time_zone = '+00:00'; SELECT id, {words} FROM {table} ORDER BY id"


def hexed(data):
    return data.hex().upper()


def plain(form, value):
    """The value as text, for all readers the same."""
    if value is None:
        return None
    if form == "float":
        return struct.pack(">f", float(value)).hex()
    if form == "double":
        return float(value).hex()
    return value


def from_client(line):
    number, *fields = line.decode().rstrip("\n").split("\t")
    return int(number), [plain(form, None if field == "NULL" else field)
                         for field, (*_, form) in zip(fields, COLUMNS, strict=True)]


def from_json(line):
    row = json.loads(line)
    if list(row) != ["id", *NAMES]:
        raise ValueError(f"other columns: {list(row)}")

    def text(form, value):
        if value is None:
            return None
        wanted = {"int": (int,), "float": (int, float), "double": (int, float)}.get(form, (str,))
        if type(value) not in wanted:
            raise TypeError(f"{form} {value!r} in row {row['id']}")
        if form == "int":
            return str(value)
        if form == "moment":
            whole, _, digits = value.partition(".")
            return f"{whole}.{digits:0<6}"
        if form == "text":
            return hexed(value.encode())
        if form == "bytes":
            return hexed(base64.b64decode(value, validate=True))
        return plain(form, value)
    return row["id"], [text(form, row[name]) for name, (*_, form) in zip(NAMES, COLUMNS)]


def from_avro(row):
    def text(form, value):
        if value is None:
            return None
        if form == "int":
            return str(int(value))
        if form == "decimal":
            return format(value, "f")
        if form == "date":
            return value.isoformat()
        if form == "moment":
            return value.replace(tzinfo=None).isoformat(" ", "microseconds")
        if form == "text":
            return hexed(value.encode())
        if form == "bytes":
            return hexed(value)
        return plain(form, value)
    return row["id"], [text(form, row[name]) for name, (*_, form) in zip(NAMES, COLUMNS)]


class Digests:
    """Of rows that are not kept. `rows`: called for the rows, and again to show what is different."""

    def __init__(self, rows):
        self.rows = rows
        self.of = {number: self.digest(fields) for number, fields in rows()}

    @staticmethod
    def digest(fields):
        return hashlib.blake2b(json.dumps(fields).encode(), digest_size=12).digest()

    def differences(self, rows):
        """The first ones, as text; nothing if `rows` are the same, each once, in any order."""
        seen, strange, other = set(), [], {}
        for number, fields in rows:
            if number in seen or number not in self.of:
                strange.append(f"row {number} comes {'twice' if number in seen else 'from nowhere'}")
            elif self.of[number] != self.digest(fields) and len(other) < 3:
                other[number] = fields
            seen.add(number)
        missing = sorted(set(self.of) - seen)
        if missing:
            strange.append(f"{len(missing)} rows are missing, for example {missing[:3]}")
        if other:
            for number, fields in self.rows():
                for (kind, *_), wanted, found in zip(COLUMNS, fields, other.get(number, fields)):
                    if wanted != found:
                        strange.append(f"row {number}, {kind}: {found} instead of {wanted}")
        return "\n".join(each[:400] for each in strange[:10])


def main():
    import fastavro
    for path in sys.argv[1:]:
        with open(path, "rb") as file:
            for row in fastavro.reader(file):
                print(json.dumps(from_avro(row)))


if __name__ == "__main__":
    main()
