"""A client of fl-source http --handler lines on 127.0.0.1."""
import http.client
import time

BATCH = 500
LIMIT = 30  # seconds until somebody listens


def _ask(link, body: bytes, is_gone, until: float) -> int:
    """The status of the answer; 0: nobody will give one."""
    while not is_gone():
        try:
            link.request("POST", "/", body)
            response = link.getresponse()
            response.read()
            return response.status
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            link.close()  # it would refuse another request
            time.sleep(0.01)
    return 0


def send_lines(port: int, lines: list, is_gone=lambda: False, on_answer=lambda batch: None) -> int:
    """Sends lines in batches, each after the answer to the one before. How many were answered with
    200, from the first on; on_answer is called for each batch. `is_gone`: the source has ended."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    until = time.monotonic() + LIMIT
    answered = 0
    try:
        for i in range(0, len(lines), BATCH):
            part = lines[i:i + BATCH]
            if _ask(link, b"".join(line + b"\n" for line in part), is_gone, until) != 200:
                break
            answered += len(part)
            on_answer(part)
    except (OSError, http.client.HTTPException):
        pass  # it has died: what was answered counts
    finally:
        link.close()
    return answered
