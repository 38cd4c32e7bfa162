"""A server on this machine that answers each request as it is told, well or badly."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ETAG = '"one"'
MOST_REQUESTS = 30
"""A client that never has enough fails its test, rather than never ending it."""
CONTENT = bytes(range(256)) * 400


class HostileServer(ThreadingHTTPServer):
    """Answers the first request by the first of its behaviours, and so on; the last one stays."""

    def __init__(self, behaviours):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours = list(behaviours)
        self.requests = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/file"

    @property
    def ranges(self):
        """The Range header of each request."""
        return [headers.get("Range") for headers in self.requests]

    def next_behaviour(self):
        if len(self.requests) > MOST_REQUESTS:
            return answering(404)
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]

    def handle_error(self, request, client_address):
        """Let clients go away."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.headers)
        self.server.next_behaviour()(self)

    def log_message(self, *_):
        """Say nothing."""

    def start(self):
        """Where a Range header asks to begin."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def say(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()


@contextmanager
def serving(*behaviours):
    server = HostileServer(behaviours)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


# Behaviours: functions of the request's handler, or functions that make one.


def honest(content=CONTENT, *, etag=ETAG, most=None):
    """Range, If-Range and ETag as they are meant; the connection ends after most bytes."""

    def behave(handler):
        start = handler.start()
        marks = {"ETag": etag} if etag else {}
        if handler.headers.get("If-Range", etag) != etag:
            start = 0
        if start and start >= len(content):
            handler.say(416, Content_Range=f"bytes */{len(content)}")
            return
        body = content[start:]
        if start:
            marks["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.say(206 if start else 200, Content_Length=len(body), **marks)
        handler.wfile.write(body[:most])

    return behave


def without_ranges(content=CONTENT, *, most=None):
    """The whole file each time, of which most bytes come."""

    def behave(handler):
        handler.say(200, Content_Length=len(content))
        handler.wfile.write(content[:most])

    return behave


def hanging_up(handler):
    """Not a byte."""
    handler.close_connection = True


def falling_silent(handler):
    """A header, then nothing until the test is over."""
    handler.say(200, Content_Length=len(CONTENT), ETag=ETAG)
    handler.server.over.wait()


def without_length(content=CONTENT):
    """The end of the connection is the end of the file."""

    def behave(handler):
        handler.say(200)
        handler.wfile.write(content)

    return behave


def chunked(*chunks, end=True, **headers):
    """Chunks, and where it has an end, the mark of it."""

    def behave(handler):
        handler.protocol_version = "HTTP/1.1"
        handler.say(200, Transfer_Encoding="chunked", ETag=ETAG, Connection="close", **headers)
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if end:
            handler.wfile.write(b"0\r\n\r\n")

    return behave


def answering(status, **headers):
    """A status without a body."""
    return lambda handler: handler.say(status, Content_Length=0, **headers)


def partial(extent, body=CONTENT, *, etag=ETAG, most=None):
    """206 with this Content-Range, whatever was asked; the connection ends after most bytes."""

    def behave(handler):
        marks = {"ETag": etag} if etag else {}
        handler.say(206, Content_Range=extent, Content_Length=len(body), **marks)
        handler.wfile.write(body[:most])

    return behave


def redirecting(to):
    """To another address."""
    return lambda handler: handler.say(302, Location=to, Content_Length=0)
