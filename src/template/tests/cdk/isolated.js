// Made isolated/ with aws-cdk-lib 2.276.0: `node isolated.js`, then manifest.json and *.template.json of isolated.out were kept.
const { App, Stack, CfnOutput, Stage } = require('aws-cdk-lib');
const ec2 = require('aws-cdk-lib/aws-ec2');
const s3 = require('aws-cdk-lib/aws-s3');
const iam = require('aws-cdk-lib/aws-iam');
const app = new App({ outdir: 'isolated.out', context: { '@aws-cdk/aws-ec2:restrictDefaultSecurityGroup': true, '@aws-cdk/core:enablePartitionLiterals': true } });
const stack = new Stack(app, 'Isolated');
const vpc = new ec2.Vpc(stack, 'Vpc', {
  maxAzs: 2, natGateways: 0,
  subnetConfiguration: [{ name: 'isolated', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, cidrMask: 24 }],
  gatewayEndpoints: { S3: { service: ec2.GatewayVpcEndpointAwsService.S3 } },
});
const bucket = new s3.Bucket(stack, 'Data', { blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL, enforceSSL: true });
const instance = new ec2.Instance(stack, 'App', {
  vpc, vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
  instanceType: new ec2.InstanceType('t3.micro'),
  machineImage: ec2.MachineImage.latestAmazonLinux2023(), requireImdsv2: true,
});
instance.userData.addCommands('vpclab echo --listen 0.0.0.0:80 &');
bucket.grantRead(instance);
vpc.addInterfaceEndpoint('Ssm', { service: ec2.InterfaceVpcEndpointAwsService.SSM });
new CfnOutput(stack, 'Address', { value: instance.instancePrivateIp });
app.synth();
