"""How the text of a backup lies on the disk, which its data file's name tells."""

from enum import StrEnum


class Form(StrEnum):
    """What the name of a data file ends with."""

    PLAIN = ".json"
    COMPRESSED = ".json.zst"
    ENCRYPTED = ".json.age"
    COMPRESSED_AND_ENCRYPTED = ".json.zst.age"

    @staticmethod
    def of(*, compressed: bool, encrypted: bool) -> "Form":
        return _BY_STAGES[compressed, encrypted]

    @property
    def is_compressed(self) -> bool:
        return ".zst" in self.value

    @property
    def is_encrypted(self) -> bool:
        return self.value.endswith(".age")


_BY_STAGES = {(form.is_compressed, form.is_encrypted): form for form in Form}
