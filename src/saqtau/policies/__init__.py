"""The policies of this release: Cedar texts and their schema, as files a lawyer reads."""

from importlib.resources import files

from saqtau.kernel.policies import Policies
from saqtau.kernel.policy_laws import lawful

SCHEMA_FILE = "schema.cedarschema"


def texts() -> tuple[dict[str, str], str]:
    """The files by name, and the schema."""
    folder = files(__name__)
    found = {
        entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.name.endswith(".cedar")
    }
    return found, (folder / SCHEMA_FILE).read_text(encoding="utf-8")


def load() -> Policies:
    """The policies, ready to decide. Raises Refused(INVALID): then nothing starts."""
    return lawful(*texts())
