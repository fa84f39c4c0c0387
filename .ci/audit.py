#!/usr/bin/env python3
"""Look the installed packages up in the package index's list of vulnerabilities: exit code 1 where one is known.

An index that has no such list, as a mirror may, leaves nothing to look at: that is said, and passes.
"""

import json
import subprocess
import sys

IGNORED = {}  # vulnerability: why it does not concern this project

command = ["pip-audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]
answer = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout  # noqa: S603 - a constant
packages = json.loads(answer)["dependencies"] if answer else []
audited = [package for package in packages if "vulns" in package]
known = [(package, each) for package in audited for each in package["vulns"] if each["id"] not in IGNORED]
for package, each in known:
    fixed = ", ".join(each["fix_versions"]) or "no version"
    print(f"{package['name']} {package['version']}: {each['id']}, mended in {fixed}")
print(f"pip-audit: {len(known)} vulnerabilities known of {len(audited)} of {len(packages)} packages")
if not audited:
    print("pip-audit: SKIPPED, for this package index has no list of vulnerabilities")
sys.exit(bool(known))
