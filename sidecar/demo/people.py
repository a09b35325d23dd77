"""Sample families, staff and pupils."""

import string
import unicodedata
from datetime import timedelta

from bson.dbref import DBRef
from bson.int64 import Int64

from sidecar.demo.sampler import Document, Sampler

CHILDREN = (1,) * 700 + (2,) * 400 + (3,) * 100  # of each family: 1,800 pupils
TEACHERS = 56
ADMINS = 4

_BCRYPT = "./" + string.ascii_letters + string.digits


def build_users(sampler: Sampler) -> list[Document]:
    """Admins, teachers, and one parent of each family, in this order."""
    roles = ["admin"] * ADMINS + ["teacher"] * TEACHERS + ["parent"] * len(CHILDREN)
    return [_user(sampler, number, role) for number, role in enumerate(roles, start=1)]


def _user(sampler: Sampler, number: int, role: str) -> Document:
    name = sampler.name()
    joined = sampler.moment(days=700)
    return {
        "_id": sampler.object_id(joined),
        "name": name,
        "email": f"{_plain(name['first'])}.{_plain(name['last'])}.{number}@example.org",
        "role": role,
        "password_hash": "$2b$12$" + sampler.text(_BCRYPT, 53),
        **({"phone": sampler.phone()} if sampler.happens(0.8) else {}),
        "preferences": {
            "language": sampler.random.choice(("nb", "en", "pl", "so")),
            "quiet_hours": [21, 6],
            "push": sampler.happens(0.7),
        },
        "logins": Int64(sampler.random.randrange(900)),
        "joined_at": joined,
        "last_login_at": sampler.moment(days=30) if sampler.happens(0.9) else None,
    }


def _plain(name: str) -> str:
    """The name as it can stand in an address: its accents dropped, only ASCII letters left."""
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return "".join(letter for letter in decomposed if letter in string.ascii_lowercase)


def build_students(
    sampler: Sampler, users: list[Document], routes: list[Document], buses: list[Document]
) -> list[Document]:
    """The children of every parent among `users`; brothers and sisters share a name, a home and a stop."""
    bus_of_route = {route_id: bus["_id"] for bus in buses for route_id in bus["route_ids"]}
    parents = [user for user in users if user["role"] == "parent"]
    sizes = sampler.random.sample(CHILDREN, k=len(CHILDREN))
    students: list[Document] = []
    for parent, children in zip(parents, sizes, strict=True):
        route = sampler.random.choice(routes)
        family = {
            "guardian": DBRef("users", parent["_id"]),
            "home": sampler.point(),
            "route_id": route["_id"],
            "bus_id": bus_of_route[route["_id"]],
            "stop_id": sampler.random.choice(route["stops"])["stop_id"],
        }
        for _ in range(children):
            students.append(_student(sampler, len(students) + 1, parent["name"]["last"], family))
    return students


def _student(sampler: Sampler, number: int, last_name: str, family: Document) -> Document:
    grade = sampler.random.randint(1, 10)
    born = sampler.now.replace(hour=0, minute=0, second=0) - timedelta(
        days=365 * (grade + 5) + sampler.random.randrange(365)
    )
    enrolled = sampler.moment(days=600)
    return {
        "_id": sampler.object_id(enrolled),
        "number": f"S-{number:05}",
        "name": sampler.name(last_name),
        "born_on": born,
        "grade": grade,
        "class": f"{grade}{sampler.random.choice('ABC')}",
        **family,
        "tag": "04" + sampler.random.randbytes(6).hex(),
        "monthly_fare": sampler.amount(2_000, 6_500),
        "balance": sampler.amount(0, 12_000),
        "allergies": sampler.random.choice((None, [], ["nuts"], ["milk", "eggs"])),
        "active": sampler.happens(0.97),
    }
