"""Options and indexes of the sample collections: one of each kind that the demo's server keeps and a school could want."""

from sidecar.demo.sampler import Document

_YEAR_SECONDS = 365 * 86_400
_IGNORING_CASE = {"locale": "en", "strength": 2}

OPTIONS: dict[str, Document] = {
    "users": {},
    "students": {
        "validator": {
            "$jsonSchema": {
                "bsonType": "object",
                "required": ["number", "name", "grade", "guardian", "route_id", "stop_id"],
                "properties": {
                    "number": {"bsonType": "string", "pattern": "^S-[0-9]{5}$"},
                    "grade": {"bsonType": "int", "minimum": 1, "maximum": 10},
                    "monthly_fare": {"bsonType": "decimal"},
                    "route_id": {"bsonType": "objectId"},
                },
            }
        },
        "validationLevel": "moderate",
        "validationAction": "error",
    },
    "buses": {},
    "routes": {},
    "stops": {},
    "holidays": {},
    "device_keys": {},
    "attendance": {},
    "events": {},
    "photo_references": {},
    "reader_log": {"capped": True, "size": 1 << 20, "max": 1000},
    "absences": {
        "viewOn": "attendance",
        "pipeline": [{"$match": {"status": "absent"}}, {"$project": {"student_id": 1, "date": 1}}],
    },
}

INDEXES: dict[str, list[Document]] = {
    "users": [
        {"name": "email", "key": {"email": 1}, "unique": True, "collation": _IGNORING_CASE},
        {"name": "phone", "key": {"phone": 1}, "sparse": True},
        {"name": "role_and_name", "key": {"role": 1, "name.last": 1, "name.first": 1}},
    ],
    "students": [
        {"name": "number", "key": {"number": 1}, "unique": True},
        {"name": "active_tag", "key": {"tag": 1}, "unique": True, "partialFilterExpression": {"active": True}},
        {"name": "route_and_stop", "key": {"route_id": 1, "stop_id": 1}},
    ],
    "buses": [{"name": "plate", "key": {"plate": 1}, "unique": True}, {"name": "routes", "key": {"route_ids": 1}}],
    "routes": [
        {"name": "number", "key": {"number": -1}, "unique": True},
        {"name": "stops", "key": {"stops.stop_id": 1}},
    ],
    "stops": [
        {"name": "location", "key": {"location": "2dsphere"}, "2dsphereIndexVersion": 3},
        {"name": "facilities", "key": {"facilities.$**": 1}},
    ],
    "holidays": [{"name": "date", "key": {"date": 1}}],
    "device_keys": [{"name": "bus", "key": {"bus_id": 1}, "unique": True, "hidden": True}],
    "attendance": [
        {"name": "student_and_date", "key": {"student_id": 1, "date": -1}, "unique": True},
        {"name": "date_if_late", "key": {"date": -1}, "partialFilterExpression": {"minutes_late": {"$gt": 5}}},
    ],
    "events": [
        {"name": "reader_and_time", "key": {"reader_id": 1, "at": -1}},
        {"name": "expiry", "key": {"at": 1}, "expireAfterSeconds": 10 * _YEAR_SECONDS},
    ],
    "photo_references": [
        {"name": "event", "key": {"event_id": 1}, "unique": True},
        {"name": "expiry", "key": {"taken_at": 1}, "expireAfterSeconds": 10 * _YEAR_SECONDS},
    ],
}
