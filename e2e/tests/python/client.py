"""What the Python client does all day: list, create, read, patch, replace, watch, delete."""

import sys
import threading

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core = client.CoreV1Api()
apps = client.AppsV1Api()

# An empty collection is a list, not null.
assert core.list_namespaced_pod("default").items == []

# A body without kind and a request without Content-Type.
created = core.create_namespaced_config_map(
    "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings"), data={"color": "blue"})
)
assert created.metadata.uid and created.metadata.creation_timestamp, created

try:
    core.create_namespaced_config_map("default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings")))
    sys.exit("a second create was accepted")
except ApiException as refused:
    assert refused.status == 409 and "AlreadyExists" in refused.body, refused

# A patch is a strategic merge patch for the typed client.
patched = core.patch_namespaced_config_map("settings", "default", {"data": {"size": "large"}})
assert patched.data == {"color": "blue", "size": "large"}, patched

# What was read goes back, with times as Python writes them.
read = core.read_namespaced_config_map("settings", "default")
read.data["color"] = "green"
replaced = core.replace_namespaced_config_map("settings", "default", read)
assert replaced.data["color"] == "green", replaced
try:
    core.replace_namespaced_config_map("settings", "default", read)
    sys.exit("a stale replace was accepted")
except ApiException as refused:
    assert refused.status == 409 and "Conflict" in refused.body, refused

deployment = apps.create_namespaced_deployment(
    "default",
    {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
            },
        },
    },
)
assert deployment.spec.replicas == 1, deployment
scale = apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 3}})
assert scale.spec.replicas == 3, scale
assert apps.list_deployment_for_all_namespaces(label_selector="no=such").items == []

# A watch from a list's revision sees every later change, in order.
version = core.list_namespaced_config_map("default").metadata.resource_version


def change():
    core.patch_namespaced_config_map("settings", "default", {"metadata": {"labels": {"seen": "yes"}}})
    core.create_namespaced_config_map("default", {"metadata": {"name": "other"}, "data": {}})
    core.delete_namespaced_config_map("other", "default")


changes = threading.Thread(target=change)
changes.start()
seen = []
stream = watch.Watch()
for event in stream.stream(
    core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=30
):
    seen.append((event["type"], event["object"].metadata.name))
    if len(seen) == 3:
        stream.stop()
changes.join()
assert seen == [("MODIFIED", "settings"), ("ADDED", "other"), ("DELETED", "other")], seen

# An expired revision is an error of the stream, which the client raises.
try:
    for _ in watch.Watch().stream(core.list_namespaced_config_map, "default", resource_version="1", timeout_seconds=1):
        pass
except ApiException as expired:
    assert expired.status == 410, expired

# The dynamic client discovers the API in its old form.
api = dynamic.DynamicClient(client.ApiClient())
leases = api.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
leases.create(namespace="default", body={"metadata": {"name": "leader"}, "spec": {"holderIdentity": "me"}})
assert leases.get(name="leader", namespace="default").spec.holderIdentity == "me"
applied = leases.server_side_apply(
    namespace="default",
    name="leader",
    body={
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "leader"},
        "spec": {"leaseDurationSeconds": 15},
    },
    field_manager="python",
)
assert applied.spec.leaseDurationSeconds == 15 and applied.spec.holderIdentity == "me", applied

status = core.delete_namespaced_config_map("settings", "default")
assert status["status"] == "Success" and status["details"]["uid"] == created.metadata.uid, status
try:
    core.read_namespaced_config_map("settings", "default")
    sys.exit("a deleted object was read")
except ApiException as gone:
    assert gone.status == 404, gone

code = client.VersionApi().get_code()
assert (code.major, code.minor) == ("1", "37"), code
print("ok")
