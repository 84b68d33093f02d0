"""Policies as law: Cedar texts, checked against their schema before anything is decided by them. Pure.

Each policy has an `@id` that stands in every entry it decided, and an `@sentence` that a lawyer reads (`_ru`, `_kk`
beside it). The hash of the texts is the name of the set: an entry carries it, a change of one letter changes it.
Source: Cedar policy language 4 (cedarpolicy.com), by cedarpy.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import cedarpy
import msgspec

from saqtau.kernel.errors import Kind, Refused

LARGEST: Final = 256 * 1024
"""Bytes of all the texts of a set."""
MOST: Final = 400
"""Policies in a set."""
LANGUAGES: Final = ("en", "ru", "kk")

_FILE = re.compile(r"[a-z][a-z0-9_]{0,39}\.cedar", re.ASCII)
_ID = re.compile(r"[a-z][a-z0-9-]{2,79}", re.ASCII)
_ANNOTATIONS: Final = {"en": "sentence", "ru": "sentence_ru", "kk": "sentence_kk"}
_SENTENCE: Final = 400
_ANSWERS: Final = 4096
_OF_MANY: Final = ("Role", "Action")
"""Kinds of entities a policy may name and still depend on attributes only; Person and Thing are single ones."""
LAW: Final = "law-"
"""How the ids of laws above the policies begin (`kernel.access`): no policy may call itself one."""


class Rule(msgspec.Struct, frozen=True):
    """One policy: what it is called, whether it permits or forbids, what it says to a reader, and where it stands."""

    id: str
    effect: str
    sentences: Mapping[str, str]  # by language; "en" is always there
    file: str


class Answer(msgspec.Struct, frozen=True):
    """What the policies say. `ids`: those that decided it; none when nothing permits."""

    allow: bool
    ids: tuple[str, ...]
    errors: tuple[str, ...] = ()


class Policies:
    """A set of policies ready to decide: parsed once, never changed."""

    __slots__ = ("_answers", "_handle", "_schema", "general", "hash", "meanings", "rules", "schema", "texts")

    def __init__(
        self,
        texts: Mapping[str, str],
        schema: str,
        rules: tuple[Rule, ...],
        meanings: Mapping[str, Mapping[str, Any]],
        handle: Any,
        checked: Any,
    ) -> None:
        self.texts: Mapping[str, str] = dict(sorted(texts.items()))
        self.schema = schema
        self.rules = rules
        self.hash = policy_hash(texts, schema)
        self.meanings = meanings  # by id: what decides, as Cedar's JSON
        self.general = not any(_names_one(one) for one in meanings.values())
        self._answers: dict[Any, Answer] = {}
        self._handle = handle
        self._schema = checked

    @classmethod
    def parse(cls, texts: Mapping[str, str], schema: str) -> "Policies":
        """The policies of these files (name -> text), all of which fit the schema.

        Raises Refused(INVALID) whose fields name the file or the policy: not Cedar, a policy without `@id` or
        `@sentence`, an id that is there twice, something the schema does not know, too large.
        """
        if sum(len(text.encode("utf-8", "replace")) for text in (*texts.values(), schema)) > LARGEST:
            raise Refused(Kind.INVALID, f"policies: more than {LARGEST // 1024} KiB", policies="too_large")
        if any("\0" in text or not text.isprintable() for text in ("".join(one.split()) for one in texts.values())):
            raise Refused(Kind.INVALID, "policies: letters that nobody sees", policies="not_printable")
        read = [one for name in sorted(texts) for one in _rules(name, texts[name])]
        rules = tuple(rule for rule, _ in read)
        if not rules or len(rules) > MOST:
            raise Refused(Kind.INVALID, f"policies: 1 to {MOST}, not {len(rules)}", policies="count")
        seen: set[str] = set()
        for rule in rules:
            if rule.id in seen:
                raise Refused(Kind.INVALID, f"{rule.file}: {rule.id} is there twice", **{rule.id: "twice"})
            seen.add(rule.id)
        whole = "\n".join(texts[name] for name in sorted(texts))
        try:
            checked = cedarpy.Schema.from_str(schema)
            handle = cedarpy.PolicySet.from_str(whole)
        except ValueError as error:
            raise Refused(Kind.INVALID, f"schema of the policies: {error}", schema="invalid") from None
        found = cedarpy.validate_policies(whole, schema)
        if not found.validation_passed:
            told = {_named(str(one.policy_id), rules): "not_in_schema" for one in found.errors}
            message = "; ".join(str(one.error) for one in found.errors)[:2000]
            raise Refused(Kind.INVALID, f"policies against their schema: {message}", **told or {"policies": "invalid"})
        return cls(texts, schema, rules, {rule.id: meant for rule, meant in read}, handle, checked)

    def known(self, key: Any) -> Answer | None:
        """An answer that was given before. key: everything that the policies may look at; see `kernel.access`."""
        return self._answers.get(key)

    def learn(self, key: Any, answer: Answer) -> None:
        """Keep an answer: the same question has the same one as long as these policies are."""
        if len(self._answers) >= _ANSWERS:
            self._answers.clear()
        self._answers[key] = answer

    def answer(self, request: Mapping[str, Any], entities: str) -> Answer:
        """Decide. request: Cedar's principal, action, resource, context; entities: JSON. Default deny, forbid wins.

        Whatever goes wrong while a policy is evaluated denies: Cedar passes over a policy that fails, and a forbid
        that is passed over would open a door.
        """
        result = cedarpy.is_authorized(dict(request), self._handle, entities, schema=self._schema)
        found = result.diagnostics
        named = found.id_annotations_by_reason
        ids = tuple(sorted(str(named.get(reason, reason)) for reason in found.reasons))
        errors = tuple(str(error)[:200] for error in found.errors)
        return Answer(allow=bool(result.allowed) and not errors, ids=ids, errors=errors)


def policy_hash(texts: Mapping[str, str], schema: str) -> str:
    """SHA-256 over the canonical texts, hex: by name; line ends and spaces at them do not count."""
    digest = hashlib.sha256()
    for name, text in sorted({**texts, "schema.cedarschema": schema}.items()):
        canonical = "\n".join(line.rstrip() for line in text.splitlines()).strip()
        for part in (name.encode(), canonical.encode("utf-8", "surrogatepass")):
            digest.update(len(part).to_bytes(4, "big") + part)
    return digest.hexdigest()


def _rules(name: str, text: str) -> list[tuple[Rule, Mapping[str, Any]]]:
    """Each policy of a file, with what it means: all of it but its annotations."""
    if not _FILE.fullmatch(name):
        raise Refused(Kind.INVALID, f"{name[:60]!r}: a file of policies is small_letters.cedar", file="name")
    try:
        plain = msgspec.json.decode(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        raise Refused(Kind.INVALID, f"{name}: {error}"[:2000], **{name: "not_cedar"}) from None
    except RecursionError:
        raise Refused(Kind.INVALID, f"{name}: conditions within conditions, too deep", **{name: "too_deep"}) from None
    if plain["templates"]:
        raise Refused(Kind.INVALID, f"{name}: a template decides nothing", **{name: "template"})
    return [
        (_rule(name, one), {part: value for part, value in one.items() if part != "annotations"})
        for one in plain["staticPolicies"].values()
    ]


def pieces(meaning: Any) -> Iterator[Any]:
    """Every value within Cedar's JSON of a policy, itself first. Without recursion: conditions may lie deep."""
    waiting = [meaning]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _names_one(meaning: Any) -> bool:
    """Whether a policy names a single person or thing, so that its answer is for that one only.

    Looked for in what Cedar parsed: in the text a comment may stand between any two words.
    """
    return any(
        isinstance(one, dict) and "id" in one and one.get("type", "Role") not in _OF_MANY for one in pieces(meaning)
    )


def _rule(name: str, plain: Mapping[str, Any]) -> Rule:
    annotations = plain.get("annotations", {})
    named = annotations.get("id") or ""
    if not _ID.fullmatch(named) or named.startswith(LAW):
        raise Refused(
            Kind.INVALID, f"{name}: a policy has an @id of small letters and dashes, and none of a law", **{name: "id"}
        )
    told = {language: annotations[key] for language, key in _ANNOTATIONS.items() if annotations.get(key)}
    if "en" not in told or any(not 3 <= len(sentence) <= _SENTENCE for sentence in told.values()):
        raise Refused(Kind.INVALID, f"{name}: {named} says in an @sentence what it means", **{named: "sentence"})
    if unknown := annotations.keys() - {"id", *_ANNOTATIONS.values()}:
        raise Refused(Kind.INVALID, f"{name}: {named}: unknown @{min(unknown)[:40]}", **{named: "annotation"})
    return Rule(named, plain["effect"], told, name)


def _named(policy: str, rules: tuple[Rule, ...]) -> str:
    """The @id of what Cedar numbers `policy0`, `policy1`, ... in the order of the text."""
    number = policy.removeprefix("policy")
    return rules[int(number)].id if number.isdigit() and int(number) < len(rules) else "policies"
