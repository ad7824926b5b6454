#!/usr/bin/python3
"""prove.py - relto policy prove: what docs/policy.md shows is what it says; a counter-example goes, by policy explain;
exit codes, JSON, and the words for wrong calls.

usage: prove.py RELTO
"""
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import doc  # noqa: E402
from doc_tools import block  # noqa: E402

FAULTS = []


def check(good, *what):
    if not good:
        FAULTS.append(" ".join(map(str, what)))


def call(*words):
    got = subprocess.run([sys.argv[1], "policy", *map(str, words)], capture_output=True, text=True, check=False)
    return got.returncode, got.stdout, got.stderr


def run_doc(top, kind, code):
    """A block of the page: the call, and what it prints."""
    line, rest = block("run " + kind).split("\n", 1)
    got = call(*[top if w == "DIR" else w for w in shlex.split(line)[3:]])
    check((got[0], got[1].replace(top, "DIR"), got[2]) == (code, rest, ""), kind, got)


def counter_example_goes(top, sentence):
    code, said, _ = call("prove", top, sentence)
    check(code == 1, sentence, said)
    ask = said.split("  ask: relto policy ")[1].strip()
    code, told, err = call(*shlex.split(ask))
    check(code == 0 and "\nrelease\n" in told, ask, told, err)


def machine_readable(top):
    code, said, _ = call("prove", top, "never release to NOR label TLP is GREEN", "--json")
    got = json.loads(said)
    check(code == 1 and not got["proven"] and got["held"] is None and got["agreements"] == 1, said)
    check(got["released"]["to"] == "NOR" and len(got["released"]["labels"]) == 2, said)
    code, said, _ = call("prove", top, "never release label ATLAS is SECRET precedence at-least IMMEDIATE", "--json")
    got = json.loads(said)
    check(code == 0 and got["proven"] and got["released"] is None and got["held"]["rule"] == "urgent", said)
    code, said, _ = call("prove", top, "never release label ATLAS is SECRET precedence at-least IMMEDIATE")
    check(code == 0 and "but agreement atlas holds, so that an approver may release it, from GBR to NOR" in said, said)


# ---- what nothing is meant by ----

def copy(top, new, *edits):
    """A copy of the policy's folder; edits of the agreement's file, each of a text that stands there once."""
    shutil.copytree(top, new, symlinks=True)
    path = new / "agreements.d/atlas.policy"
    text = path.read_text()
    for old, to in edits:
        check(text.count(old) == 1, "stands there once:", old)
        text = text.replace(old, to)
    path.write_text(text)
    return new


def says_nothing(top):
    """What nobody can publish is not proven never to go."""
    said = "nothing that can be published is meant by it: "
    for rest, parts, why in (
            ("to NOR topic maritme.>", ["topic"], "its topic is not covered"),
            ("to HUB", ["to"], "nobody that 'to' allows may receive"),
            ("from HUB", ["from"], "nobody that 'from' allows may originate"),
            ("to GBR from GBR", ["from", "to"], "nobody that 'from' allows may send to anybody that 'to' allows"),
            ("to HUB topic x", ["topic", "to"], "its topic and its 'to' are not there together"),
            ("from HUB topic x", ["topic", "from"], "its topic and its 'from' are not there together"),
            ("from GBR to GBR topic x", ["topic", "from", "to"], "its topic, 'from' and 'to' are not there together")):
        check(call("prove", top, "never release " + rest) == (65, said + why + "\n", ""), rest)
        code, out, _ = call("prove", top, "never release " + rest, "--json")
        got = json.loads(out)
        check((code, got["proven"], got["agreements"], got.get("of"), got.get("missing")) == (65, False, 0, 1, parts), out)


SECOND = """agreement beta {
    version 1
    valid from 2027-02-01 until 2027-03-31
    state %s
    mode %s
    topics [ air.> ]
    member GBR {
        may [ originate receive ]
        clearance ATLAS up-to SECRET { "Releasable To" [ GBR ATLAS ] }
    }
    member NOR {
        may [ originate receive ]
        clearance ATLAS up-to SECRET { "Releasable To" [ NOR ATLAS ] }
    }
    rule all {
        label ATLAS at-most SECRET
        release
    }
}
"""


def second(top, new, state="in-force", mode="live", more=""):
    copy(top, new)
    (new / "agreements.d/beta.policy").write_text(SECOND % (state, mode) + more)
    return new


def counts_what_it_was_held_against(top, folder):
    both = second(top, folder / "both")
    for rest, count in ((" to NOR label ATLAS has Handling FININT topic maritime.>", 1), (" label TLP is RED", 2)):
        code, said, _ = call("prove", both, "never release" + rest)
        want = "proven: held against %d of 2 agreements, every report that can be published\n" % count
        check((code, said) == (0, want), rest, code, said)


def asks_what_can_be_asked(top, folder):
    """The call that is printed agrees, though the agreement is one of exercises, or of another year."""
    for name, mode in (("exercise", "exercise"), ("later", "live")):
        new = second(top, folder / name, mode=mode)
        counter_example_goes(new, "never release to NOR topic air.>")
        code, said, _ = call("prove", new, "never release to NOR topic air.>", "--json")
        got = json.loads(said)["released"]
        check(code == 1 and got.get("mode") == mode and got.get("not_in_use", 0) is None, said)
    for name, state, more, why in (("draft", "draft", "", "a draft"),
                                   ("asleep", "in-force", "suspend beta\n", "suspended now")):
        new = second(top, folder / name, state, "live", more)
        code, said, _ = call("prove", new, "never release to NOR topic air.>")
        check(code == 1 and said.startswith("not so: agreement beta (%s) releases from " % why), said)
        code, said, _ = call("prove", new, "never release to NOR topic air.>", "--json")
        check(code == 1 and json.loads(said)["released"].get("not_in_use") == why, said)


def a_counter_example_wins(top, folder):
    """Over an agreement before it that is not decided."""
    line = next(x for x in (pathlib.Path(top) / "agreements.d/atlas.policy").read_text().splitlines() if " topics " in x)
    many = line.replace("[", "[ " + " ".join("t%d" % i for i in range(256)))
    own = "    never release to NOR label ATLAS has Handling FININT\n"
    new = copy(top, folder / "many", (line, many), (own, ""))
    code, said, err = call("prove", new, "never release to NOR topic >")
    check(code == 70 and said == "" and "agreement 'atlas': not decided: " in err, code, said, err)
    (new / "agreements.d/beta.policy").write_text(SECOND % ("in-force", "live"))
    code, said, err = call("prove", new, "never release to NOR topic >")
    check((code, err) == (1, "") and said.startswith("not so: agreement beta releases "), code, said, err)
    code, said, err = call("prove", new, "never release to NOR label ATLAS has Handling FININT")
    check(code == 70 and said == "" and "agreement 'atlas': not decided: " in err, code, said, err)


def wrong_calls(top):
    usage = "usage: relto policy prove DIR 'never release"
    for words in (["prove"], ["prove", top], ["prove", top, "never", "release"], ["prove", top, "x", "--fast"]):
        code, _, err = call(*words)
        check(code == 64 and usage in err, words, code, err)
    code, _, err = call("nothing")
    for tool, words in (("explain", "precedence content-type mode at agreement json"), ("prove", "json"),
                        ("matrix", "csv json topic label from to agreement at"),
                        ("diff", "replay each agreement at json")):
        said = err.split("policy %s " % tool)[1].split("relto policy")[0]
        check(code == 64 and all("[--" + w in said or "| --" + w in said for w in words.split()), tool, said)
    for sentence, text in (
            ("expect release", "sentence:1:1: error: a sentence that begins with 'never' stands here"),
            ("", "a sentence that begins with 'never' stands here"),
            ("never release to HUX", "sentence:1:18: error: there is no party 'HUX'"),
            ("never release label ATLAS is", "these are not the values that 'label' takes")):
        code, out, err = call("prove", top, sentence)
        check(code == 64 and out == "" and text in err, sentence, code, err)
    check(call("prove", top + "/none", "never release to NOR")[0] == 66, "no policy")


def main():
    with tempfile.TemporaryDirectory() as folder:
        doc.write(pathlib.Path(folder))
        run_doc(folder, "prove", 0)
        run_doc(folder, "prove-not", 1)
        for more in ("", " label TLP is GREEN", " topic maritime.piracy precedence at-least FLASH"):
            counter_example_goes(folder, "never release to NOR" + more)
        machine_readable(folder)
        says_nothing(folder)
        wrong_calls(folder)
        with tempfile.TemporaryDirectory() as more:
            for test in (counts_what_it_was_held_against, asks_what_can_be_asked, a_counter_example_wins):
                test(folder, pathlib.Path(more))
    print("\n".join(FAULTS) or "ok")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
