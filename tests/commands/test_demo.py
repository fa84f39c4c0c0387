"""`fashion demo`, as a user has it: in a browser, which is Chromium without a window."""

import builtins
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import save_file

from fashion.cli import run_command_line
from fashion.inference.classifier import load_classifier, predict
from fashion.settings import ROOT, SHIPPED

SCREENSHOT = ROOT / "tests" / "reference" / "demo.png"  # the README's; FASHION_SCREENSHOT=1 -k dropped writes it

# The command, in a process that lists whom it connects to or looks up, with the networks of another folder
LISTED = """
import sys
from pathlib import Path

import fashion.settings

fashion.settings.SHIPPED = Path(sys.argv.pop(1))
log = open(sys.argv.pop(1), "a", buffering=1)

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        log.write(f"{event} {arguments[0 if 'host' in event or 'addr' in event else 1]}\\n")

sys.addaudithook(note)
from fashion.__main__ import main
main()
"""


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def another_network(folder):
    """A folder with what is shipped, and the same less sure of itself; return the first."""
    with safe_open(SHIPPED, framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    run = json.loads(metadata["run"])
    run["metrics"]["test_accuracy"] = 50.0
    save_file(tensors, folder / "unsure.safetensors", {"run": json.dumps(run), "temperature": "5"})
    return shutil.copy(SHIPPED, folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a demo, the list of whom it connects to, and the folder of its pictures."""
    pytest.importorskip("gradio", reason='the extra "demo" is not installed')
    folder = tmp_path_factory.mktemp("server")
    shipped = SHIPPED if os.environ.get("FASHION_SCREENSHOT") else another_network(folder)
    environment = os.environ | {"TMPDIR": str(folder), "HTTP_PROXY": "http://192.0.2.1:9"}
    command = [
        sys.executable,
        "-c",
        LISTED,
        str(shipped),
        str(folder / "connections"),
        "demo",
        "--port",
        str(free_port()),
    ]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        found = re.match(r"(http://127\.0\.0\.1:\d+/) shows it", line)
        assert found, line
        yield found[1], folder / "connections", folder
        process.terminate()
    assert process.returncode == 143 and not list(folder.glob("fashion-demo-*"))


@pytest.fixture(scope="module")
def browser():
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(programs):
        pytest.skip("there is no browser: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = programs[0]
    for option in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "window-size=1280,1010", "hide-scrollbars",
                   "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream"):  # fmt: skip
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = selenium.Chrome(options, selenium.ChromeService(programs[1]))
    yield driver
    driver.quit()


class Visitor:
    """Who looks at the page, and does what people do with it."""

    def __init__(self, browser):
        self.browser = browser

    def wait(self, look, message=""):
        from selenium.common.exceptions import StaleElementReferenceException
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.browser, 30, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: look(), message)

    def find(self, selector, by="css selector"):
        def look():
            found = self.browser.find_elements(by, selector)
            return next((each for each in found if each.is_displayed()), None)

        return self.wait(look, f"there is no {selector}")

    def drop(self, path):
        self.browser.find_element("css selector", "#photo input[type=file]").send_keys(str(path))

    def open(self, tab):
        self.find(f"//button[@role='tab' and normalize-space()='{tab}']", "xpath").click()

    def read(self, beginning):
        """Wait until the answer begins so, and return its lines."""

        def look():
            text = self.find("#result").text
            return text.splitlines() if text.startswith(beginning) else None

        return self.wait(look, f"the answer does not begin with {beginning}")

    def draw(self, *steps):
        from selenium.webdriver import ActionChains

        hand = ActionChains(self.browser).move_to_element_with_offset(self.find("#drawing canvas"), -60, -80)
        hand.click_and_hold()
        for step in steps:
            hand.move_by_offset(*step)
        hand.release().perform()


@pytest.fixture
def visitor(browser, server):
    browser.get(server[0])
    visitor = Visitor(browser)
    visitor.find("#examples button")
    visitor.read("Drop a photo")
    return visitor


def picture(path, colour="navy"):
    image = Image.new("RGB", (300, 400), "white")
    ImageDraw.Draw(image).polygon(
        [(90, 30), (210, 30), (230, 370), (170, 370), (150, 120), (130, 370), (70, 370)], colour
    )
    image.save(path)
    return path


def test_a_photo_that_is_dropped_is_answered_as_predict_answers(visitor, tmp_path):
    path = picture(tmp_path / "trouser.png")
    expected = predict(path).probabilities
    visitor.drop(path)
    lines = visitor.read("Trouser, ")
    assert lines[1:21] == [each for name, share in expected.items() for each in (name, f"{100 * share:.1f}%")]
    widths = [each.size["width"] for each in visitor.browser.find_elements("css selector", "#result .bars i")]
    assert len(widths) == 10 and widths == sorted(widths, reverse=True)
    drawn = "return [...document.querySelectorAll('#result img')].map(each => each.naturalWidth)"
    assert visitor.browser.execute_script(drawn) == [300, 28, 28]
    if os.environ.get("FASHION_SCREENSHOT"):
        visitor.browser.find_elements("css selector", "#examples button")[-1].click()
        visitor.wait(lambda: visitor.read("Trouser, ") != lines)
        time.sleep(1)  # it fades in
        visitor.browser.save_screenshot(str(SCREENSHOT))
        with Image.open(SCREENSHOT) as image:
            image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(SCREENSHOT, optimize=True)


def test_a_broken_file_is_a_line_and_the_next_one_an_answer(visitor, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"junk")
    visitor.drop(tmp_path / "broken.jpg")
    assert visitor.read("broken.jpg") == ["broken.jpg is not an image that Pillow can read"]
    visitor.drop(picture(tmp_path / "white.png", "white"))
    assert visitor.read("white.png") == ["white.png: there is nothing but background"]
    visitor.drop(picture(tmp_path / "trouser.png"))
    visitor.read("Trouser, ")


def test_a_drawing_is_answered_and_an_empty_one_is_a_line(visitor):
    visitor.open("Draw")
    visitor.find("#drawing [aria-label='Brush Size']")  # the brush is in the hand
    visitor.find("#ask").click()
    visitor.read("there is nothing but background")
    visitor.draw((50, 0), (10, 170), (-25, 0), (-10, -125), (-10, 125), (-25, 0), (10, -170))
    visitor.find("#ask").click()
    visitor.read("Trouser, ")


def test_the_camera_takes_a_picture(visitor):
    visitor.open("Camera")
    visitor.find("#camera button:not([tabindex='-1'])").click()
    visitor.find("#camera [aria-label='capture photo']").click()
    assert len(visitor.find("#result .answer .bars").text.splitlines()) == 20


def test_an_example_is_answered_and_again_when_the_network_is_another(visitor):
    for place, name in ((0, "Ankle boot"), (1, "Pullover"), (0, "Ankle boot")):
        visitor.browser.find_elements("css selector", "#examples button")[place].click()
        sure = visitor.read(f"{name}, ")
    titles = [f"final_small, {accuracy:.2f}%" for accuracy in (load_classifier().accuracy, 50)]
    assert visitor.find("#network").text.splitlines()[-2:] == titles
    visitor.browser.find_elements("css selector", "#network label")[1].click()
    visitor.wait(lambda: visitor.read("Ankle boot, ") != sure)


def test_the_page_says_what_it_cannot_know(visitor):
    assert "one of ten garments; there is no “none of these”" in visitor.find("body").text


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_sent_out(visitor, server):
    """After all that the other tests did."""
    address, connections, _ = server
    events = (json.loads(each["message"])["message"] for each in visitor.browser.get_log("performance"))
    urls = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert any(url.endswith(".js") for url in urls)
    mine = urlsplit(address).netloc
    assert {urlsplit(url).netloc for url in urls if not url.startswith(("data:", "blob:"))} == {mine}
    listed = connections.read_text().splitlines()
    assert listed and [line for line in listed if "127.0.0.1" not in line] == []
    port = int(mine.split(":")[1])
    for host in {each[4][0] for each in socket.getaddrinfo(socket.gethostname(), port)} - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError):
            socket.create_connection((host, port), timeout=5)


def test_without_the_extra_it_says_what_to_install(capsys, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments, **options):
        if name == "gradio":
            raise ModuleNotFoundError("No module named 'gradio'", name="gradio")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert run_command_line(["demo"]) == 2
    assert capsys.readouterr().err == 'fashion: gradio is not installed: pip install -e ".[demo]"\n'


# The command where Gradio finds no port
NO_PORT = """
import gradio
from fashion.__main__ import main

def launch(*_, **__):
    raise OSError("Cannot find empty port in range: 7860-7959.")

gradio.Blocks.launch = launch
main(["demo"])
"""


def test_where_no_port_is_free_it_says_which_were_tried():
    pytest.importorskip("gradio", reason='the extra "demo" is not installed')
    done = subprocess.run([sys.executable, "-c", NO_PORT], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "fashion: the ports from 7860 on are taken: choose another with --port\n"


def test_a_port_that_is_taken_is_one_line(tmp_path):
    pytest.importorskip("gradio", reason='the extra "demo" is not installed')
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run([sys.executable, "-m", "fashion", "demo", "--port", str(port)], cwd=ROOT,
                              capture_output=True, text=True)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"fashion: port {port} is taken: choose another with --port\n"
