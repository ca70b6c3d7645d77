"""A worker's process for tests of the supervisor: it speaks the protocol, and takes no calls.

Its first argument says how it behaves: well, dies, hangs.
"""

import json
import os
import sys

start = json.loads(os.environ["VOICESTT_WORKER"])
behaviour = sys.argv[1]


def say(**message: object) -> None:
    os.write(start["writes"], json.dumps(message).encode() + b"\n")


def main() -> None:
    print(f"worker {start['name']} has sockets {[len(some) for some in start['sockets']]}", flush=True)
    if behaviour == "dies" or os.path.exists(f"{behaviour}.bad"):
        sys.exit(3)
    say(type="ready")
    for line in os.fdopen(start["reads"]):
        message = json.loads(line)
        print(f"worker {start['name']} hears {line.strip()}", flush=True)
        match message["type"]:
            case "told" if message["order"] in {"leave", "stop"} and behaviour != "hangs":
                say(type="leaves")
                return
            case "question" if message["what"].startswith("word "):
                say(type="reply", number=message["number"], answer={"message": "done", "live_calls": 2})
            case "question":
                say(type="reply", number=message["number"], answer=start["flag"])
            case "relayed" if message["kind"] == "ask":
                say(type="question", number=1, what="health")
            case "relayed" if message["kind"] == "pass on":
                say(type="relayed", kind=message["news"]["kind"], news={"is_on": False})


main()
