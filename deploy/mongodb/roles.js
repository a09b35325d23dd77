// Makes the roles of roles.json for one database, or brings them up to date:
//
//   DB_NAME=bus_tracker mongosh "mongodb://…/admin" deploy/mongodb/roles.js
//
// docs/install.md says who needs which.
const fs = require("fs");
const path = require("path");

const text = fs.readFileSync(path.join(__dirname, "roles.json"), "utf8");
const roles = JSON.parse(text.replaceAll("DATABASE", process.env.DB_NAME || "bus_tracker"));
const admin = db.getSiblingDB("admin");
for (const [role, privileges] of Object.entries(roles)) {
  if (admin.getRole(role)) {
    admin.updateRole(role, { privileges, roles: [] });
  } else {
    admin.createRole({ role, privileges, roles: [] });
  }
  print(`${role}: ${privileges.map((one) => one.actions.join(", ")).join("; ")}`);
}
