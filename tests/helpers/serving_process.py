"""The server as a process, as users start it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import closing


class Server:
    """A process that serves a folder."""

    def __init__(self, folder, *options):
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "offramp",
                "serve",
                str(folder),
                "--port",
                "0",
                "--warm-up-seconds",
                "0.1",
                *options,
            ],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started = []
        for line in self.process.stderr:
            self.started.append(line)
            if line.startswith("serving"):
                break
        self.port = int(line.split(";")[0].rsplit(":", 1)[1])
        # A full pipe would stop the server.
        self.logged = []
        self._reading = threading.Thread(target=lambda: self.logged.extend(self.process.stderr), daemon=True)
        self._reading.start()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def post(self, body, connection=None, **headers):
        with closing(connection or self.connect()) as connection:
            connection.request("POST", "/predict", json.dumps(body), {"content-type": "application/json", **headers})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self._reading.join(60)
        self.process.stderr.close()
        return self.process.wait(60), "".join(self.logged)
