"""Makes, accepts, rejects and deletes endpoints of the one service of a lab, from four threads at once.

Arguments: URL, key and secret of the provider, then those of the consumer.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import boto3


def client(url, key, secret):
    return boto3.client(
        "ec2", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret
    )


provider, consumer = client(*sys.argv[1:4]), client(*sys.argv[4:7])
service = provider.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"][0]
first = consumer.describe_vpc_endpoints()["VpcEndpoints"][0]


def state(identity):
    return consumer.describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"][0]["State"]


def live(number):
    made = consumer.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=first["VpcId"],
        ServiceName=service["ServiceName"],
        SubnetIds=first["SubnetIds"],
        ClientToken=f"token-{number}",
    )["VpcEndpoint"]
    identity = made["VpcEndpointId"]
    assert made["State"] == "pendingAcceptance", made
    one = {"ServiceId": service["ServiceId"], "VpcEndpointIds": [identity]}
    assert not provider.accept_vpc_endpoint_connections(**one)["Unsuccessful"]
    assert state(identity) == "available"
    assert not provider.reject_vpc_endpoint_connections(**one)["Unsuccessful"]
    assert state(identity) == "rejected"
    assert not consumer.delete_vpc_endpoints(VpcEndpointIds=[identity])["Unsuccessful"]
    return identity


with ThreadPoolExecutor(4) as threads:
    identities = list(threads.map(live, range(40)))
assert len(set(identities)) == 40, "no id comes twice"
