"""Asks the lab's EC2 API everything that can be described, and holds the answers against botocore's model and `status`.

Arguments: the file with `vpclab status --json`, and the API's URL. The environment has an account's key.
"""

import json
import sys
import xml.etree.ElementTree as tree

import boto3

STATUS, URL = json.load(open(sys.argv[1])), sys.argv[2]
client = boto3.client("ec2", endpoint_url=URL)
raw = {}


def remember(response_dict, operation_model, **_):
    raw[operation_model.name] = response_dict["body"]


client.meta.events.register("before-parse.ec2.*", remember)


def local(tag):
    return tag.split("}")[-1]


def unknown(element, shape, path):
    """Elements that the model does not have."""
    if shape.type_name == "list":
        for item in element:
            if local(item.tag) != "item":
                yield f"{path}/{local(item.tag)}: not an item"
            yield from unknown(item, shape.member, path)
    elif shape.type_name == "structure":
        names = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            name = local(child.tag)
            if name == "requestId" and not path.count("/"):
                continue
            if name not in names:
                yield f"{path}/{name}"
            else:
                yield from unknown(child, names[name], f"{path}/{name}")
    elif len(element):
        yield f"{path}: has elements, where the model has {shape.type_name}"


def lost(wanted, got, path):
    """What `status` has and the answer does not."""
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            if name not in got:
                if value not in ([], None):
                    yield f"{path}.{name}"
            else:
                yield from lost(value, got[name], f"{path}.{name}")
    elif isinstance(wanted, list):
        if len(wanted) != len(got):
            yield f"{path}: {len(wanted)} of status, {len(got)} of the API"
        for one, other in zip(wanted, got):
            yield from lost(one, other, path)
    elif str(wanted) != str(got):
        yield f"{path}: {wanted} != {got}"


# Operation, list in the answer, list in `status`, key, members that are of another operation.
LISTS = [
    ("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpoints", "VpcEndpointId", ()),
    ("describe_vpc_endpoint_connections", "VpcEndpointConnections", "VpcEndpointConnections", "VpcEndpointId", ()),
    ("describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaces", "NetworkInterfaceId", ()),
    ("describe_vpcs", "Vpcs", "Vpcs", "VpcId", ("EnableDnsSupport", "EnableDnsHostnames")),
    ("describe_subnets", "Subnets", "Subnets", "SubnetId", ()),
    ("describe_availability_zones", "AvailabilityZones", None, "ZoneName", ()),
    ("describe_route_tables", "RouteTables", "RouteTables", "RouteTableId", ()),
    ("describe_security_groups", "SecurityGroups", "SecurityGroups", "GroupId", ()),
    ("describe_managed_prefix_lists", "PrefixLists", "PrefixLists", "PrefixListId", ("Cidrs",)),
    ("describe_prefix_lists", "PrefixLists", None, "PrefixListId", ()),
    ("describe_vpc_endpoint_services", "ServiceDetails", None, "ServiceName", ()),
    ("describe_vpc_endpoint_service_configurations", "ServiceConfigurations", None, "ServiceId", ()),
    ("describe_vpc_endpoint_connection_notifications", "ConnectionNotificationSet", None, "ConnectionNotificationId", ()),
]

faults = []
rows = 0
for operation, listed, of_status, key, elsewhere in LISTS:
    answer = getattr(client, operation)()
    rows += len(answer[listed])
    name = client.meta.method_to_api_mapping[operation]
    shape = client.meta.service_model.operation_model(name).output_shape
    faults += unknown(tree.fromstring(raw[name]), shape, name)
    by_key = {row[key]: row for row in STATUS.get(of_status, [])} if of_status else {}
    for row in answer[listed]:
        if row[key] in by_key:
            wanted = {member: value for member, value in by_key[row[key]].items() if member not in elsewhere}
            faults += lost(wanted, row, f"{name} {row[key]}")
        elif of_status:
            faults.append(f"{name}: {row[key]} is not of status")

for service in client.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]:
    allowed = client.describe_vpc_endpoint_service_permissions(ServiceId=service["ServiceId"])
    assert [it["PrincipalType"] for it in allowed["AllowedPrincipals"]] == ["Account"], allowed
    topic = "arn:aws:sns:us-east-1:111111111111:topic"
    made = client.create_vpc_endpoint_connection_notification(
        ServiceId=service["ServiceId"], ConnectionNotificationArn=topic, ConnectionEvents=["Accept", "Reject"]
    )["ConnectionNotification"]
    identity = made["ConnectionNotificationId"]
    told = client.describe_vpc_endpoint_connection_notifications(ConnectionNotificationId=identity)
    assert told["ConnectionNotificationSet"] == [made], told
    assert not client.delete_vpc_endpoint_connection_notifications(ConnectionNotificationIds=[identity])["Unsuccessful"]

# Pages are the same rows, in the same order.
whole = client.describe_vpc_endpoint_services()["ServiceDetails"]
paged = client.get_paginator("describe_vpc_endpoint_services").paginate(PaginationConfig={"PageSize": 7})
assert [row for page in paged for row in page["ServiceDetails"]] == whole, "pages"

assert rows > 100, rows
if faults:
    sys.exit("\n".join(faults))
print(f"{len(LISTS)} operations agree")
