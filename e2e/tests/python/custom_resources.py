"""Defines a kind and uses it, as scripts do: the generic API for custom objects, and the dynamic client."""

import sys

import yaml
from kubernetes import client, config, dynamic, watch

config.load_kube_config()
extensions = client.ApiextensionsV1Api()
custom = client.CustomObjectsApi()
GROUP = ("example.com", "v1", "default", "backups")

with open(sys.argv[1]) as file:
    extensions.create_custom_resource_definition(yaml.safe_load(file))
for event in watch.Watch().stream(extensions.list_custom_resource_definition, timeout_seconds=20):
    conditions = event["object"].status.conditions or []
    if any(it.type == "Established" and it.status == "True" for it in conditions):
        break

body = {
    "apiVersion": "example.com/v1",
    "kind": "Backup",
    "metadata": {"name": "a", "labels": {"tier": "x"}},
    "spec": {"schedule": "0 3 * * *"},
}
created = custom.create_namespaced_custom_object(*GROUP, body)
assert created["spec"]["keep"] == 3, created
custom.patch_namespaced_custom_object(*GROUP, "a", {"spec": {"keep": 5}})
custom.patch_namespaced_custom_object_status(*GROUP, "a", {"status": {"made": 1}})
read = custom.get_namespaced_custom_object(*GROUP, "a")
assert (read["spec"]["keep"], read["status"]["made"]) == (5, 1), read
assert custom.get_namespaced_custom_object_scale(*GROUP, "a")["spec"]["replicas"] == 5
read["spec"]["keep"] = 6
custom.replace_namespaced_custom_object(*GROUP, "a", read)
listed = custom.list_namespaced_custom_object(*GROUP, label_selector="tier=x")
assert [(it["kind"], it["spec"]["keep"]) for it in listed["items"]] == [("Backup", 6)], listed

backups = dynamic.DynamicClient(client.ApiClient()).resources.get(api_version="example.com/v1", kind="Backup")
seen = [event["type"] for event in backups.watch(namespace="default", timeout=1)]
assert seen == ["ADDED"], seen
try:
    body["spec"]["keep"] = 0
    backups.create(body=body, namespace="default", name="b")
    raise AssertionError("an object that the schema does not allow was created")
except dynamic.exceptions.UnprocessibleEntityError as error:
    assert "should be greater than or equal to 1" in str(error.body), error.body
backups.delete(name="a", namespace="default")
extensions.delete_custom_resource_definition("backups.example.com")
print("ok")
