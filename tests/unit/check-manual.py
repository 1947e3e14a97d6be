#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the manual pages against the tables of the source, and against each other: verbs, options, exit statuses and settings,
the interfaces of D-Bus with the type of each argument, the names of errors, the pages and sections that are referred
to. With mandoc, there is no warning about a page, and as HTML all links have a target. TAP on standard output."""

import collections
import html.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
MAN = "src/man"
PAGES = sorted(p for p in os.listdir(MAN) if re.search(r"\.[1-9]$", p))
number = 0


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def result(description, problems):
    global number
    number += 1
    for problem in problems:
        print("#", problem)
    print(f"{'not ok' if problems else 'ok'} {number} - {description}", flush=True)


def same(what, of_source, of_manual, at_least):
    problems = [f"{what} {x} is not in the manual" for x in sorted(of_source - of_manual)]
    problems += [f"the manual has {what} {x}, which does not exist" for x in sorted(of_manual - of_source)]
    return problems + ([f"only {len(of_source)} are found"] if len(of_source) < at_least else [])


def section(page, title):
    text = read(f"{MAN}/{page}")
    begin = text.index(f"\n.Sh {title}\n")
    end = text.find("\n.Sh ", begin + 1)
    return text[begin:end if end >= 0 else len(text)]


def items(text, macro):
    return [line for line in text.splitlines() if line.startswith(f".It {macro} ")]


# --- programs ---

def table(path, name):
    text = read(path)
    begin = text.index(f"{name}[] = {{")
    return text[begin:text.index("\n};", begin)]


def verbs():
    of_source = set(re.findall(r'^ +\{ "([a-z-]+)", "', table("src/ctl/vaktctl.c", "Verb verbs"), re.M))
    return same("verb", of_source, {i.split()[2] for i in items(section("vaktctl.1", "VERBS"), "Cm")}, 25)


def options_of_manual(page):
    found = set()
    for item in items(section(page, "OPTIONS"), "Fl"):
        found |= {("--" + w[1:] if w[0] == "-" else "-" + w) for w in re.findall(r"(?:Fl|,) (-?[a-z0-9-]+|[A-Z])(?= |$)", item)}
    return found


def options_of_vaktctl():
    of_source = set()
    for short, long in re.findall(r"^ +\{ (0|'.'), \"([a-z-]+)\"", table("src/ctl/vaktctl.c", "Option options"), re.M):
        of_source |= {"--" + long} | ({"-" + short[1]} if short != "0" else set())
    return same("option", of_source, options_of_manual("vaktctl.1"), 40)


def options_of_vaktd():
    of_source = {"--" + o for o in re.findall(r'^ +\{ "([a-z-]+)", \w+_argument', read("src/vaktd.c"), re.M)} | {"-h"}
    return same("option", of_source, options_of_manual("vaktd.8"), 9)


def statuses_of_manual(page):
    return set(re.findall(r"^\.It (\d+)$", section(page, "EXIT STATUS"), re.M))


def exit_statuses():
    ctl = set(re.findall(r"CTL_\w+ = (\d+),", read("src/ctl/exit-code.h")))
    sysexits = dict(re.findall(r"^#define\s+(EX_\w+)\s+(\d+)", read("/usr/include/sysexits.h"), re.M))
    daemon = {sysexits[name] for name in re.findall(r"\b(EX_\w+)", read("src/vaktd.c")) if name in sysexits}
    return same("exit status", ctl, statuses_of_manual("vaktctl.1"), 8) + \
        same("exit status", daemon, statuses_of_manual("vaktd.8"), 6)


def settings():
    of_source = {(s.strip('"').replace("POOL_SECTION", "Pool"), k) for s, k in
                 re.findall(r'^ +\{ ("Manager"|POOL_SECTION), "(\w+)"', read("src/config/settings.c"), re.M)}
    of_manual = set()
    for title, name in ("[MANAGER] SECTION", "Manager"), ("[POOL NAME] SECTION", "Pool"):
        of_manual |= {(name, i.split()[2]) for i in items(section("vaktd.conf.5", title), "Va")}
    return same("key", {" ".join(k) for k in of_source}, {" ".join(k) for k in of_manual}, 8)


# --- D-Bus ---

INTERFACES = {"THE MANAGER": "org.vaktd1.Manager", "JOBS": "org.vaktd1.Job", "RUNS": "org.vaktd1.Run"}


def api_of_source(name):
    found = set()
    for interface in tree.parse("src/bus/org.vaktd1.xml").getroot():
        if interface.get("name") != name:
            continue
        for member in interface:
            if member.tag in ("method", "signal"):
                found.add((member.get("name"),) + tuple(
                    ((a.get("direction", "") + " ") if member.tag == "method" else "") + a.get("type") + " " + a.get("name")
                    for a in member if a.tag == "arg"))
            elif member.tag == "property":
                found.add((member.get("name"), member.get("type")))
    return found


def properties_of_manual(text):
    """Names of ".Li A , B", with the type that the next ".Pq" or ".Po" begins with; what is within these is left out."""
    found, names, depth = set(), [], 0
    for line in text[max(text.find("with the properties"), text.find(".Ss Properties")):].splitlines():
        words = re.match(r"(?:\.Pq )?([a-z(){}]+)(?=[ :;]|$)", line)
        if names and line.startswith(".Pq") or depth == 1 and names:
            found |= {(name, words.group(1)) for name in names if words}
            names = []
        depth += line.startswith(".Po") - line.startswith(".Pc")
        if line.startswith(".Li ") and depth == 0:
            names += [w for w in line.split()[1:] if re.fullmatch(r"[A-Z]\w+", w)]
    return found


def api_of_manual(title):
    text = section("org.vaktd1.5", title)
    found = set()
    for item in items(text, "Fn"):
        for name, arguments in re.findall(r'Fn (\w+)((?: "[^"]*")*)', item):
            found.add((name,) + tuple(a for a in re.findall(r'"([^"]*)"', arguments) if a))
    found |= properties_of_manual(text)
    return found


def api():
    problems = []
    for title, name in INTERFACES.items():
        of_source, of_manual = api_of_source(name), api_of_manual(title)
        problems += [f"{name}: {x}" for x in same("member", {" ".join(x) for x in of_source}, {" ".join(x) for x in of_manual}, 3)]
    return problems


def errors():
    of_source = set(re.findall(r'"(org\.vaktd1\.Error\.\w+)"', read("src/bus/errors.h")))
    return same("error", of_source, {i.split()[2] for i in items(section("org.vaktd1.5", "ERROR NAMES"), "Li")}, 10)


# --- references ---

def references():
    ours = {tuple(p.rsplit(".", 1)) for p in PAGES}
    problems = []
    for page in PAGES:
        for name, number_ in re.findall(r"\.Xr (\S+) ([1-9])", read(f"{MAN}/{page}")):
            if name.startswith(("vakt", "org.vaktd")) and (name, number_) not in ours:
                problems.append(f"{page}: there is no {name}({number_})")
    for directory, _, files in os.walk("src"):
        for file in files:
            if not file.endswith((".c", ".h", ".md")) or directory == MAN:
                continue
            text = read(os.path.join(directory, file))
            for name, number_ in re.findall(r"\b((?:vaktd|org\.vaktd1)(?:\.[a-z]+)?|vaktctl)\((\d)\)", text):
                if (name, number_) not in ours:
                    problems.append(f"{directory}/{file}: there is no {name}({number_})")
    for name, number_ in re.findall(r"\b((?:vaktd|org\.vaktd1)(?:\.[a-z]+)?|vaktctl)\((\d)\)", read("README.md")):
        if (name, number_) not in ours:
            problems.append(f"README.md: there is no {name}({number_})")
    return problems


def installed():
    text = read(f"{MAN}/meson.build")
    return [f"{page} is not installed" for page in PAGES if f"'{page}'" not in text]


# --- mandoc ---

def lint():
    run = subprocess.run(["mandoc", "-Tlint", "-W", "warning"] + PAGES, cwd=MAN, capture_output=True, text=True, check=False)
    return (run.stdout + run.stderr).splitlines()


def wide():
    """The last column of a table that does not fit is set one word a line by groff."""
    problems = []
    for page in PAGES:
        run = subprocess.run(["groff", "-mandoc", "-Tutf8", "-ww", "-rLL=78n", page], cwd=MAN, capture_output=True, text=True,
                             check=False)
        problems += [f"{page}: {line}" for line in run.stderr.splitlines() if "can't break line" in line]
    return problems


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.targets, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        if tag == "a" and "href" in attrs:
            self.targets.append(attrs["href"])


def links():
    problems = []
    with tempfile.TemporaryDirectory() as directory:
        command = re.search(r"command : \[(.*?)\]", read(f"{MAN}/meson.build"), re.S).group(1)
        link = re.search(r"man=([^,']*)", command).group(1)
        pages = {}
        for page in PAGES:
            run = subprocess.run(["mandoc", "-Thtml", "-O", f"man={link}", page], cwd=MAN, capture_output=True,
                                 text=True, check=True)
            pages[page + ".html"] = Links(run.stdout)
    counts = collections.Counter()
    for page, of_page in pages.items():
        for target in of_page.targets:
            file, _, fragment = target.partition("#")
            counts["inside" if not file else "ours" if file in pages else "others"] += 1
            if file.startswith("https://"):
                continue
            if file and file not in pages:
                problems.append(f"{page}: there is no {file}")
            elif fragment and fragment not in pages[file or page].ids:
                problems.append(f"{page}: {target} has no target")
    print("#", dict(counts))
    return problems + [f"there are {counts[k]} links of kind {k}" for k in ("inside", "ours", "others") if counts[k] < 20]


result("verbs of vaktctl(1) are those of vaktctl", verbs())
result("options of vaktctl(1) are those of vaktctl", options_of_vaktctl())
result("options of vaktd(8) are those of vaktd", options_of_vaktd())
result("exit statuses of the manual are those of the source", exit_statuses())
result("keys in vaktd.conf(5) are those of the source", settings())
result("methods, signals and properties of org.vaktd1(5) are those of org.vaktd1.xml", api())
result("errors of org.vaktd1(5) are those of bus/errors.h", errors())
result("pages that are referred to exist", references())
result("pages are installed", installed())
for title, check, program in (("mandoc has no warning", lint, "mandoc"), ("tables fit into 80 columns", wide, "groff"),
                              ("links of the pages as HTML have targets", links, "mandoc")):
    if shutil.which(program):
        result(title, check())
    else:
        number += 1
        print(f"ok {number} - {title} # SKIP there is no {program}")
print(f"1..{number}")
sys.exit(0)
