"""`fashion demo`: a page in the browser that shows what the shipped networks make of a picture of your own."""

import os
import tempfile
from typing import Annotated

import typer

from fashion.settings import FashionError

LOOPBACK = "127.0.0.1"


def demo_command(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: 7860, or the first after it that is free.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show on a page in the browser what a network makes of a picture of your own; needs the extra "demo".

    Only this computer can open the page, and nothing is sent elsewhere. Ctrl-C ends it, and deletes its pictures.
    """
    with tempfile.TemporaryDirectory(prefix="fashion-demo-") as folder:
        # Gradio reads these when it is imported
        os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=folder)
        # It asks its own page whether it is there: not by way of a proxy
        others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (others, LOOPBACK)))
        try:
            import gradio
        except ImportError as error:
            raise FashionError(f'{error.name} is not installed: pip install -e ".[demo]"') from error
        from fashion.inference.page import CSS, examples, networks, page

        blocks = page(networks(), examples())
        try:
            _, url, _ = blocks.launch(
                server_name=LOOPBACK, server_port=port, inbrowser=open_browser, share=False, quiet=True,
                prevent_thread_lock=True, footer_links=[], run_history=False, ssr_mode=False, mcp_server=False,
                enable_monitoring=False, css=CSS, theme=gradio.themes.Default(font="system-ui", font_mono="monospace"),
            )  # fmt: skip
        except OSError as error:
            taken = f"port {port} is" if port else "the ports from 7860 on are"
            raise FashionError(f"{taken} taken: choose another with --port") from error
        typer.echo(f"{url} shows it, on this computer only; Ctrl-C ends it")
        blocks.block_thread()
