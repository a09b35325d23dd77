// Makes the roles of roles.json, or brings them up to date:
//
//   DB_NAME=bus_tracker DRILL_DB=bus_tracker_drill mongosh "mongodb://…/admin" deploy/mongodb/roles.js
//
// docs/install.md says who needs which.
const fs = require("fs");
const path = require("path");

const { DB_NAME, DRILL_DB } = process.env;
if (!DB_NAME || !DRILL_DB) {
  throw new Error("DB_NAME and DRILL_DB: expected the application's database and the one of SIDECAR_DRILL_DB");
}
const text = fs.readFileSync(path.join(__dirname, "roles.json"), "utf8");
const roles = JSON.parse(text.replaceAll('"DATABASE"', JSON.stringify(DB_NAME)).replaceAll('"DRILLS"', JSON.stringify(DRILL_DB)));
const admin = db.getSiblingDB("admin");
for (const [role, privileges] of Object.entries(roles)) {
  if (admin.getRole(role)) {
    admin.updateRole(role, { privileges, roles: [] });
  } else {
    admin.createRole({ role, privileges, roles: [] });
  }
  print(`${role}: ${privileges.map((one) => one.actions.join(", ")).join("; ")}`);
}
