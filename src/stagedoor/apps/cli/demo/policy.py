"""The people of the demo, and the policy of their registry."""

from __future__ import annotations

from typing import Final

ANN: Final = "ann@example.com"
BOB: Final = "bob@example.com"
CAROL: Final = "carol@example.com"
# who the reconciler is, where it runs in CI
ROBOT: Final = "registry@example.com"
MODEL: Final = "wind-power"

OWNERS: Final = """\
# The last line that matches wins. A path below a model file is a right of its own.
/registry_spec/                           @carol
/.github/                                 @carol
/registry_spec/models/*.yaml              @wind
/registry_spec/models/*.yaml/@Staging     @bob @carol
/registry_spec/models/*.yaml/@Production  @carol
/registry_spec/models/*.yaml/@Manage      @carol
"""

PEOPLE: Final = """\
# yaml-language-server: $schema=./schemas/People.json
apiVersion: stagedoor/v1
kind: People
people:
- email: ann@example.com
  name: Ann
  login: ann
- email: bob@example.com
  name: Bob
  login: bob
- email: carol@example.com
  name: Carol
  login: carol
teams:
- name: wind
  members:
  - ann@example.com
  - bob@example.com
  - carol@example.com
"""

RULES: Final = """\
# yaml-language-server: $schema=./schemas/Registry.json
apiVersion: stagedoor/v1
kind: Registry
name: wind-farm
stages:
- name: None
- name: Staging
- name: Production
  exclusive: true
  from:
  - Staging
  - Archived
  direct: false
- name: Archived
gates:
- name: evidence
  stages:
  - Production
  require:
  - description
  - metrics.rmse
  - run
  - data
  - digest
  reason: whoever is called at night has to know what is running
"""

REGISTRY: Final = f"""\
{RULES}notifications:
  mail: mailto://localhost:${{SMTP_PORT}}?from=registry@example.com
  routes:
  - name: trading-desk
    events:
    - model_version.transitioned
    stages:
    - Production
    to:
    - mailto://localhost:${{SMTP_PORT}}?from=registry@example.com&to=desk@example.com
"""
