"""The process that draws charts: Vega-Lite specifications in, SVG out, over its standard streams.

Drawing holds the interpreter lock for tens of milliseconds, the first time for half a second; in a process of its own
it cannot hold up an alarm. Run by `api.charts`; it ends when its input closes or nobody asked for a while.

A request is four bytes of length and JSON `{"spec", "locale"}`; an answer is one byte (1 drawn, 0 failed), four bytes
of length, and the SVG or the reason.
"""

import json
import select
import struct
import sys

import vl_convert

IDLE_S = 300.0


def draw(request: bytes) -> bytes:
    asked = json.loads(request)
    svg: str = vl_convert.vegalite_to_svg(
        asked["spec"],
        time_format_locale=asked["locale"],
        # A chart brings its data along; whatever a text in it says, nothing is fetched.
        allowed_base_urls=[],
    )
    return svg.encode()


def main() -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while select.select([source], [], [], IDLE_S)[0]:
        header = source.read(4)
        if len(header) < 4:
            return
        request = source.read(struct.unpack("!I", header)[0])
        try:
            is_drawn, answer = 1, draw(request)
        except (ValueError, KeyError, TypeError) as error:
            is_drawn, answer = 0, str(error).encode()[:2000]
        sink.write(struct.pack("!BI", is_drawn, len(answer)) + answer)
        sink.flush()


if __name__ == "__main__":
    main()
