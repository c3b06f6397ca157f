"""The catalogues of words: alike in every language, each message used and each use a message; and which language is spoken."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from jinja2 import Environment, FileSystemLoader, nodes

from app.language.grammar import CLASSES, operations
from app.pages.shown import PANELS
from app.scenarios import scenarios
from app.share import packed
from app.words import ENGLISH, catalogues, html, refusal, speaking, t, word
from app.words.catalogue import FOLDER, CatalogueError, Message, read_catalogue
from app.words.refusals import recognised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

ROOT: Final = Path(__file__).parents[2]
OTHERS: Final = tuple(tag for tag in catalogues() if tag != ENGLISH.tag)
TABLES_OF_THEIR_OWN: Final = frozenset({"refusal"})
"""Tables that are gone through as a whole."""
REFUSALS: Final = frozenset(
    "CommandError CompareError ConfigError LabError LineError LogError Mistake ProgramError ShareError TraceError".split()
)
NOT_ON_A_PAGE: Final = ("app/api/", "app/cli.py", "app/run.py", "app/replay_kernel.py", "app/bench")
PUT_TOGETHER: Final = {
    "7 is empty; 7": (
        "as is empty; name the slot that takes the pointer, such as a",
        "ptr is empty; write a slot, a slot with an offset, or an address: a, a+16, 0x0804e008",
        "size is empty; write a whole number, such as 4096 or 0x1000",
        "advice is empty; write what it is to be",
    ),
    "7 is no command7": (
        "'mallok' is no command; did you mean malloc?",
        "'what' is no command; there are malloc, free",
    ),
    "7; it can be 7": ("'mru' is not a valid PolicyName; it can be fifo, lru",),
    "id 7 7": ("id 7 was freed on line 3", "id 7 was never allocated"),
}
"""Sentences that are put together from phrases, as they come out."""


class Use(NamedTuple):
    """One call of t, html or word, as it is written: its key, and the places that it fills in (None: not to be seen)."""

    where: str
    function: str
    key: str
    places: frozenset[str] | None


def uses() -> Iterator[Use]:
    """Every call in the code and in the templates."""
    for path in sorted(ROOT.glob("app/**/*.py")):
        if path.parent.name != "words":
            yield from _uses_of_code(path)
    environment = Environment(loader=FileSystemLoader(ROOT / "templates"), autoescape=True)
    for path in sorted((ROOT / "templates").glob("*.html")):
        yield from _uses_of_template(path.name, environment.parse(path.read_text("utf-8")))


def _uses_of_code(path: Path) -> Iterator[Use]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("t", "html", "word")
        ):
            continue
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        seen = all(keyword.arg is not None for keyword in node.keywords)
        places = frozenset(keyword.arg for keyword in node.keywords if keyword.arg) if seen else None
        for key in _literals(node.args[0] if node.args else None, where):
            yield Use(where, node.func.id, key, places)


def _literals(node: ast.expr | None, where: str) -> list[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.IfExp):
        return _literals(node.body, where) + _literals(node.orelse, where)
    raise AssertionError(f"{where}: the key is not written out, so nobody can see whether it is there")


def _uses_of_template(name: str, tree: nodes.Template) -> Iterator[Use]:
    for node in tree.find_all(nodes.Call):
        if isinstance(node.node, nodes.Name) and node.node.name in ("t", "html", "word"):
            where = f"templates/{name}:{node.lineno}"
            places = frozenset(keyword.key for keyword in node.kwargs)
            for key in _template_literals(node.args[0], where):
                yield Use(where, node.node.name, key, places)


def _template_literals(node: nodes.Expr, where: str) -> list[str]:
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        return _template_literals(node.expr1, where) + _template_literals(node.expr2, where)
    raise AssertionError(f"{where}: the key is not written out, so nobody can see whether it is there")


def own_messages(tag: str) -> dict[str, Message]:
    """What a language's own file says, without what English says for it."""
    return dict(read_catalogue((FOLDER / f"{tag}.toml").read_text("utf-8"), tag).messages)


# --- the catalogues --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", OTHERS)
def test_a_language_says_all_that_english_says_and_nothing_else(tag: str) -> None:
    own = own_messages(tag)
    assert sorted(ENGLISH.messages.keys() - own.keys()) == []
    assert sorted(own.keys() - ENGLISH.messages.keys()) == []


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_has_the_places_of_the_original(tag: str) -> None:
    differ = {
        key: (sorted(ENGLISH[key].places), sorted(message.places))
        for key, message in own_messages(tag).items()
        if key in ENGLISH.messages and message.places != ENGLISH[key].places
    }
    assert differ == {}


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_keeps_the_code_of_the_original(tag: str) -> None:
    def code(text: str) -> list[str]:
        return sorted(re.findall("`[^`]*`", text))

    differ = {
        key: message.text
        for key, message in own_messages(tag).items()
        if key in ENGLISH.messages and code(message.text) != code(ENGLISH[key].text)
    }
    assert differ == {}


def test_each_use_is_of_a_message_and_fills_in_its_places() -> None:
    wrong = []
    for use in uses():
        if use.function == "word":
            if not any(key.startswith(f"{use.key}.") for key in ENGLISH.messages):
                wrong.append(f"{use.where}: there is no table {use.key}")
        elif use.key not in ENGLISH.messages:
            wrong.append(f"{use.where}: there is no message {use.key}")
        elif use.places is not None and use.places != ENGLISH[use.key].places:
            wrong.append(f"{use.where}: {use.key} has {sorted(ENGLISH[use.key].places)}, given {sorted(use.places)}")
        elif use.function == "t" and "`" in ENGLISH[use.key].text:
            wrong.append(f"{use.where}: there is code in {use.key}: html shows it as such")
    assert wrong == []


def test_each_message_is_used() -> None:
    said = {use.key for use in uses() if use.function != "word"}
    tables = {use.key for use in uses() if use.function == "word"} | TABLES_OF_THEIR_OWN
    unused = [
        key for key in ENGLISH.messages if key not in said and not any(key.startswith(f"{table}.") for table in tables)
    ]
    assert unused == []


# --- refusals --------------------------------------------------------------------------------------------------------


def refusals() -> Iterator[tuple[str, str]]:
    """Every sentence with which the engine or a reader of programs refuses, 7 in each of its places: (where, sentence)."""
    for path in sorted([*ROOT.glob("engine/**/*.py"), *ROOT.glob("app/**/*.py")]):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(NOT_ON_A_PAGE):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS:
                for sentence in (_sentence(argument) for argument in node.args):
                    if " " in sentence:
                        yield f"{name}:{node.lineno}", sentence


def _sentence(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_sentence(part) for part in node.values)
    return "7" if isinstance(node, ast.FormattedValue) else ""


def test_each_refusal_can_be_translated() -> None:
    found = [(where, whole) for where, sentence in refusals() for whole in PUT_TOGETHER.get(sentence, (sentence,))]
    assert len(found) > 60
    assert [f"{where}: {sentence}" for where, sentence in found if recognised(sentence) is None] == []


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("size is -1; it can be 0 to 4294967295", "size 是 -1；可以是 0 到 4294967295"),
        ("line 3, column 5: 'mallok' is no command; did you mean malloc?",
         "第 3 行第 5 列：没有 'mallok' 这条命令；是想写 malloc 吗？"),
        ("ptr names the slot 'q', which holds nothing; slots: none yet", "ptr 指的槽 'q' 里什么也没有；现有的槽：还没有"),
        ("Nobody has ever refused so.", "Nobody has ever refused so."),
    ],
)  # fmt: skip
def test_a_refusal_is_said_in_the_language_that_is_spoken(english: str, chinese: str) -> None:
    assert refusal(english) == english
    with speaking(catalogues()["zh-Hans"]):
        assert refusal(english) == chinese


def test_a_refused_command_is_explained_in_chinese(client: TestClient) -> None:
    machine = client.post("/m", data={"preset": "16mb"}, follow_redirects=False).headers["location"]
    answer = client.post(f"{machine}/do", data={"words": "malloc a -1"}, headers={"accept-language": "zh"})
    assert answer.status_code == 422
    assert "size 是 -1；可以是 0 到 4294967295" in answer.text


# --- a message -------------------------------------------------------------------------------------------------------


def test_a_number_chooses_its_word() -> None:
    message = Message("{pages:,} {pages:page|pages} {pages:is|are} free in {zone}", "one, other")
    assert message.say({"pages": 1, "zone": "DMA"}) == "1 page is free in DMA"
    assert message.say({"pages": 1200, "zone": "DMA"}) == "1,200 pages are free in DMA"
    assert message.places == {"pages", "zone"}


def test_values_are_escaped_and_code_is_marked() -> None:
    with speaking(read_catalogue('[language]\nname="x"\nshort="x"\nplural="none"\n[a]\nb="a < `free({place})`"', "x")):
        assert html("a.b", place="<b>") == "a &lt; <code>free(&lt;b&gt;)</code>"


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ("{pages:page|pages|pagi}", "a.b: {pages:page|pages|pagi} has 3 forms; this language has 2"),
        ("{0}", "a.b: {0} is no place; write a name: {pages}"),
        ("{page.size}", "a.b: {page.size} is no place; write a name: {pages}"),
        ("{pages", "a.b: expected '}' before end of string"),
    ],
)
def test_a_message_that_is_none_is_refused_by_its_key(message: str, complaint: str) -> None:
    head = '[language]\nname="x"\nshort="x"\nplural="one, other"\n'
    with pytest.raises(CatalogueError) as refusal:
        read_catalogue(f'{head}[a]\nb="{message}"', "x")
    assert str(refusal.value) == complaint


def test_a_word_that_is_not_in_its_table_is_missed_unless_there_is_a_default() -> None:
    assert word("start.notes", "3", "none") == "none"
    with pytest.raises(KeyError):
        word("start.notes", "3")


# --- which language --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("fr,zh-TW;q=0.5,en;q=0.4", "zh-Hans"),
        ("en;q=0.4,zh;q=0.5", "zh-Hans"),
        ("zh;q=0,en;q=0.1", "en"),
        ("fr", "en"),
        ("zh;q=much,,;", "en"),
    ],
)
def test_a_page_speaks_what_the_browser_wants(client: TestClient, accepted: str, spoken: str) -> None:
    answer = client.get("/", headers={"accept-language": accepted})
    assert answer.headers["content-language"] == spoken
    assert f'<html lang="{spoken}">' in answer.text
    assert "accept-language, cookie" in answer.headers["vary"]


def test_a_link_switches_the_language_and_it_is_remembered(client: TestClient) -> None:
    chinese = client.get("/", params={"lang": "zh"})
    assert 'lang="zh-Hans"' in chinese.text
    with speaking(catalogues()["zh-Hans"]):
        assert t("start.stories") in chinese.text
    assert client.get("/").headers["content-language"] == "zh-Hans", "the cookie remembers it"
    assert client.get("/", headers={"accept-language": "en"}).headers["content-language"] == "zh-Hans"
    back = re.search(r'<a href="([^"]*)"[^>]* lang="en"', chinese.text)
    assert back is not None
    assert client.get(back[1]).headers["content-language"] == "en"
    assert client.get("/").headers["content-language"] == "en"


def test_the_switch_leads_to_the_same_page(client: TestClient) -> None:
    machine = client.post("/m", data={"preset": "16mb"}, follow_redirects=False).headers["location"]
    looked = client.get(machine, params={"at": "a+16", "lang": "en"})
    assert f'href="{machine}?at=a%2B16&amp;lang=zh-Hans"' in looked.text
    refused = client.post(f"{machine}/do", data={"words": "nonsense"})
    assert refused.status_code == 422
    assert f'href="{machine}?lang=zh-Hans"' in refused.text


def test_a_frame_in_another_page_keeps_the_language_that_its_address_asks_for(client: TestClient) -> None:
    code = packed("a = malloc 100\n")
    english = client.get(f"/embed/{code}").text
    client.cookies.clear()
    chinese = client.get(f"/embed/{code}", params={"lang": "zh"}).text
    assert "lang=" not in re.findall(r'href="(\?[^"]*)"', english)[0]
    links = re.findall(r'href="(\?[^"]*)"', chinese)
    assert len(links) > 5
    assert all(link.startswith("?lang=zh-Hans&amp;") for link in links)
    assert chinese.count("<form") == chinese.count('<input type="hidden" name="lang" value="zh-Hans">') > 0


def test_an_unknown_language_or_a_broken_cookie_changes_nothing(client: TestClient) -> None:
    answer = client.get("/?lang=tlh", headers={"cookie": "lang=;;=\x01"})
    assert answer.headers["content-language"] == "en"
    assert "set-cookie" not in answer.headers


def test_completions_tell_what_a_word_is_in_the_language_asked_for(client: TestClient) -> None:
    def what(**asked: str) -> str:
        found = client.get("/api/v1/completions", params={"line": "fre", **asked}, headers={"accept-language": "zh"})
        return str(found.json()["candidates"][0]["what"])

    assert what().startswith("free PTR: free(ptr). A slot keeps its pointer")
    assert what(lang="zh-Hans").startswith("free PTR：free(ptr)。槽仍保留指针")


def test_the_meaning_of_a_command_is_what_its_class_says() -> None:
    said = {op: (CLASSES[op].__doc__ or "").split("\n", 1)[0] for op in operations()}
    assert {op: word("completion.meaning", op) for op in said} == said


def test_the_api_speaks_english(client: TestClient) -> None:
    answer = client.get("/api/v1/machines/none?lang=zh", headers={"accept-language": "zh"})
    assert answer.json()["title"] == "Unknown machine"
    assert "content-language" not in answer.headers


# --- no word outside the catalogue -----------------------------------------------------------------------------------

LITERALS: Final = frozenset(
    # what people and things are called, and units
    "Pagewalk Linux glibc MB GB NULL bk S xor brk mallinfo oom_score swappiness lang en"
    # commands, and what compiles an exported program
    " frame malloc fork exit cat proc buddyinfo gcc no pie program setarch".split()
)
"""Words that templates may show themselves: names that are the same in every language."""
SHOWN_ATTRIBUTES: Final = ("title", "aria-label", "placeholder", "alt", "label")


class Visible(HTMLParser):
    """What a page shows as words: its text, and the attributes that are read out; code and its like are left out."""

    NOT_WORDS: Final = frozenset("code kbd script style textarea pre datalist".split())
    EMPTY: Final = frozenset("area base br col hr img input link meta path rect source wbr".split())

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.EMPTY:
            self._open.append(tag)
        if not self.NOT_WORDS & {*self._open, tag}:
            self.found += [value for name, value in attrs if name in SHOWN_ATTRIBUTES and value]

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.NOT_WORDS & {*self._open}:
            self.found.append(data.strip())


def visible(page: str) -> list[str]:
    parser = Visible()
    parser.feed(page)
    return parser.found


@pytest.mark.parametrize("path", sorted((ROOT / "templates").glob("*.html")), ids=lambda path: str(path.name))
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", path.read_text("utf-8"), flags=re.DOTALL)
    shown = [re.sub(r'[\w:-]+="[^"]*"', "", each) for each in visible(text)]
    """Without the attributes that a macro gives."""
    assert {found for each in shown for found in re.findall(r"[A-Za-z_]{2,}", each)} - LITERALS == set()


# --- no English on a Chinese page --------------------------------------------------------------------------------------

ENGLISH_WORDS: Final = re.compile(
    r"\b(?:the|is|are|was|were|of|and|to|it|by|for|with|from|this|that|not|has|have|its|into|there|which|than|but|at)\b",
    re.IGNORECASE,
)
"""No sentence does without one of these."""
TOLD: Final = ("first-malloc", "coalescing", "double-free-caught", "copy-on-write", "file-mapping", "order-4", "oom")
"""Scenarios that between them show every panel with something in it."""


@pytest.mark.parametrize("name", TOLD)
def test_a_chinese_page_has_no_english_sentence(client: TestClient, name: str) -> None:
    chinese = {"accept-language": "zh"}
    created = client.post("/m", data={"scenario": name}, headers=chinese, follow_redirects=False).headers["location"]
    path = created.partition("?")[0]
    with speaking(catalogues()["zh-Hans"]):
        text = scenarios()[name].text
    client.post(f"{path}/program", data={"do": "run", "program": text}, headers=chinese, follow_redirects=False)
    for page in (
        f"{path}?open={','.join(PANELS)}&term=help",
        f"{path}/compare?value=0",
        f"{path}/branch",
        f"{path}/share",
    ):
        answer = client.get(page, headers=chinese)
        assert answer.status_code == 200
        assert [words for words in visible(answer.text) if ENGLISH_WORDS.search(words)] == [], page


@pytest.mark.parametrize("page", ["/", "/policies", "/policies?frames=x", "/m/none", "/problems", "/s/none"])
def test_a_page_without_a_machine_has_no_english_sentence_either(client: TestClient, page: str) -> None:
    shown = visible(client.get(page, headers={"accept-language": "zh"}).text)
    assert [words for words in shown if ENGLISH_WORDS.search(words)] == []
    assert any(re.search("[一-鿿]", words) for words in shown)


def test_the_code_of_the_pages_has_no_sentences_but_refusals() -> None:
    found = []
    for path in sorted((ROOT / "app/pages").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant | ast.JoinedStr) or id(node) in told | parts:
                continue
            sentence = _sentence(node)
            if (
                " " in sentence
                and "<" not in sentence
                and '="' not in sentence
                and ENGLISH_WORDS.search(sentence)
                and recognised(sentence) is None
            ):
                found.append(f"{path.name}:{node.lineno}: {sentence}")
    assert found == []
