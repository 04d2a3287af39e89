// Decides cases with @cloud-copilot/iam-simulate: one JSON object a line in, one a line out.
//
// The package is AGPL: it is installed by npm when the test runs and is run beside vpclab; nothing of it is linked or kept.
import { createInterface } from 'node:readline'
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate'

const named = (policies) => policies.map((policy, index) => ({ name: `p${index}`, policy }))

for await (const line of createInterface({ input: process.stdin })) {
  const it = JSON.parse(line)
  const response = await runSimulation(
    {
      request: {
        principal: it.principal ?? anonymousPrincipal,
        action: it.action,
        resource: { resource: it.resource, accountId: it.resource_account },
        contextVariables: it.context
      },
      identityPolicies: named(it.identity),
      permissionBoundaryPolicies: it.boundary ? named([it.boundary]) : undefined,
      sessionPolicy: it.session ?? undefined,
      resourcePolicy: it.resource_policy ?? undefined,
      vpcEndpointPolicies: it.endpoint ? named([it.endpoint]) : undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    {}
  )
  const answer =
    response.resultType === 'single'
      ? { result: response.overallResult, ignored: response.result.ignoredContextKeys }
      : { error: JSON.stringify(response.errors ?? response.resultType) }
  console.log(JSON.stringify(answer))
}
