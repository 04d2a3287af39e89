// Made service/ with aws-cdk-lib 2.276.0: `node service.js`, then manifest.json and *.template.json of service.out were kept.
const { App, Stack, CfnOutput, CfnParameter } = require('aws-cdk-lib');
const ec2 = require('aws-cdk-lib/aws-ec2');
const elb = require('aws-cdk-lib/aws-elasticloadbalancingv2');
const targets = require('aws-cdk-lib/aws-elasticloadbalancingv2-targets');
const iam = require('aws-cdk-lib/aws-iam');
const app = new App({ outdir: 'service.out' });
const env = { account: '111111111111', region: 'eu-west-1' };
const network = (stack) => new ec2.Vpc(stack, 'Vpc', {
  ipAddresses: ec2.IpAddresses.cidr('10.0.0.0/16'), availabilityZones: ['eu-west-1a', 'eu-west-1b'],
});
const provider = new Stack(app, 'Provider', { env });
const vpc = network(provider);
const server = new ec2.Instance(provider, 'Server', {
  vpc, instanceType: new ec2.InstanceType('t3.micro'),
  machineImage: ec2.MachineImage.genericLinux({ 'eu-west-1': 'ami-0123456789abcdef0' }),
});
server.connections.allowFromAnyIpv4(ec2.Port.tcp(80));
const balancer = new elb.NetworkLoadBalancer(provider, 'Balancer', { vpc, internetFacing: false, crossZoneEnabled: true });
balancer.addListener('Http', { port: 80 }).addTargets('Servers', { port: 80, targets: [new targets.InstanceTarget(server)] });
const service = new ec2.VpcEndpointService(provider, 'Service', {
  vpcEndpointServiceLoadBalancers: [balancer], acceptanceRequired: false,
  allowedPrincipals: [new iam.ArnPrincipal('arn:aws:iam::222222222222:root')],
});
new CfnOutput(provider, 'ServiceName', { value: service.vpcEndpointServiceName });
const consumer = new Stack(app, 'Consumer', { env });
const home = network(consumer);
const client = new ec2.Instance(consumer, 'Client', {
  vpc: home, instanceType: new ec2.InstanceType('t3.micro'),
  machineImage: ec2.MachineImage.genericLinux({ 'eu-west-1': 'ami-0123456789abcdef0' }),
});
const endpoint = home.addInterfaceEndpoint('Orders', {
  service: new ec2.InterfaceVpcEndpointService(service.vpcEndpointServiceName, 80), privateDnsEnabled: false,
});
endpoint.connections.allowDefaultPortFrom(client);
new CfnOutput(consumer, 'Name', { value: require('aws-cdk-lib').Fn.select(1, require('aws-cdk-lib').Fn.split(':', require('aws-cdk-lib').Fn.select(0, endpoint.vpcEndpointDnsEntries))) });
app.synth();
