"""A headless Chromium that tests drive over its own pipe: clicks where a person would, types, and looks.

Chromium's DevTools protocol, by `--remote-debugging-pipe`: messages are JSON that end in a zero byte,
read by the browser from descriptor 3 and written by it to descriptor 4. No driver has to be installed.
"""

import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 60.0  # seconds for one answer; a busy machine is slow to start a browser


class Browser:
    """One page of a browser.

    Args:
        folder: where it may keep its profile.
    """

    def __init__(self, folder: Path):
        to_browser, self._send = os.pipe()
        self._receive, from_browser = os.pipe()
        options = (
            "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
            f"--disable-component-update --disable-dev-shm-usage --remote-debugging-pipe --user-data-dir={folder}"
        )
        # Through descriptors that nobody has, since the pipes' own may be 3 or 4.
        script = f'exec "$@" 33<&{to_browser} 44>&{from_browser} 3<&33 4>&44 33<&- 44>&-'
        self._process = subprocess.Popen(
            ["bash", "-c", script, "bash", PROGRAM, *options.split()],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self._session = b"", 0, None
        self.events: list[dict] = []  # of the page: what it loaded, what it said on its console
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict:
        """One command of the protocol, and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return told["result"]
            self.events.append(told)

    def open(self, path: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Load a file, and wait until it is there."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.loaded()

    def loaded(self) -> None:
        """Wait until the page that was asked for has loaded."""
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> object:
        """What a JavaScript expression is on the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element, scrolled to; whatever lies over it gets the click."""
        x, y = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); const r = e.getClientRects()[0];"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type where the cursor is, in place of what stands there."""
        self.value("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError):
            self._session = None
            message = {"id": self._number + 1, "method": "Browser.close"}
            os.write(self._send, json.dumps(message).encode() + b"\0")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._send)
        os.close(self._receive)

    def _next(self) -> dict:
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._receive], [], [], max(0.0, until - time.monotonic()))
            content = os.read(self._receive, 1 << 16) if ready else b""
            if not content:
                raise RuntimeError("the browser ended" if ready else f"no answer of the browser within {PATIENCE:g} s")
            self._buffer += content
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
