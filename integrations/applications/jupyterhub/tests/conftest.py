import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest
import requests

from tests.calls import ORIGIN, OLD_SECRET, SECRET, call

HERE = Path(__file__).parent


class Hub:
    """A running JupyterHub, in a separate folder."""

    def __init__(self, folder, **environment):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        self.folder, self.origin = folder, f"http://127.0.0.1:{port}"
        self.path = environment.get("BASE_URL", "/") + "hub/"
        self.environment = {
            **os.environ,
            "PORT": str(port),
            "QRGATE_HOOK_SECRET": f"{SECRET} {OLD_SECRET}",
            "QRGATE_ORIGINS": ORIGIN,
            **environment,
        }
        self.start()

    def start(self):
        command = [sys.executable, "-m", "jupyterhub", "--config", str(HERE / "jupyterhub_config.py")]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, **pipes)
        self.log = []
        is_ready = Event()
        Thread(target=self.read, args=[is_ready]).start()
        assert is_ready.wait(120) and self.process.poll() is None, "".join(self.log)

    def read(self, is_ready):
        for line in self.process.stdout:
            self.log.append(line)
            if "JupyterHub is now running" in line:
                is_ready.set()
        is_ready.set()

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def browser(self, name=None):
        """A browser. With a name, that person signs in with a password."""
        browser = requests.Session()
        if name is not None:
            self.get(browser, "login")
            form = {"username": name, "password": "any", "_xsrf": browser.cookies["_xsrf"]}
            browser.post(f"{self.origin}{self.path}login", data=form, timeout=30)
        return browser

    def phone(self, name="ana", **message):
        """A browser with the cookies of a login call, and the name of its session."""
        response = call(self, user_id=name, **message)
        assert response.status_code == 200, response.text
        browser = requests.Session()
        browser.cookies.update(response.cookies)
        return browser, response.json()["session"]

    def get(self, browser, page, **headers):
        return browser.get(f"{self.origin}{self.path}{page}", headers=headers, timeout=30, allow_redirects=False)

    def page(self, browser, page, **headers):
        return self.get(browser, page, **headers).content.decode()

    def whoami(self, browser):
        response = self.get(browser, "qrgate/whoami")
        return response.json() if response.status_code == 200 else response.status_code

    def robot(self, method, path):
        """A request to the hub's REST API, with the rights of an administrator."""
        headers = {"Authorization": "token token-of-the-robot"}
        return requests.request(method, f"{self.origin}{self.path}api/{path}", headers=headers, timeout=30)


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    hub = Hub(tmp_path_factory.mktemp("hub"))
    yield hub
    hub.stop()


@pytest.fixture(scope="session")
def other_hub(tmp_path_factory):
    """A hub below a path, with other settings and a template of its operator."""
    folder = tmp_path_factory.mktemp("other")
    (folder / "home.html").write_text(
        '{% extends "templates/home.html" %}{% block main %}<h1>Our hub</h1>{{ qrgate.button() }}{% endblock %}'
    )
    more = {"QRGate.allow_admins": True, "JupyterHub.template_paths": [str(folder)]}
    hub = Hub(folder, BASE_URL="/jupyter/", MORE=json.dumps(more))
    yield hub
    hub.stop()
