// Says what @cloud-copilot/iam-policy has against documents: one JSON object a line in, one a line out.
import { createInterface } from 'node:readline'
import {
  validateEndpointPolicy,
  validateIdentityPolicy,
  validateResourcePolicy,
  validateSessionPolicy,
  validateTrustPolicy
} from '@cloud-copilot/iam-policy'

const validators = {
  Identity: validateIdentityPolicy,
  Session: validateSessionPolicy,
  Resource: validateResourcePolicy,
  Endpoint: validateEndpointPolicy,
  Trust: validateTrustPolicy
}

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, document } = JSON.parse(line)
  let errors
  try {
    errors = validators[kind](document).map((it) => `${it.message} (${it.path})`)
  } catch (error) {
    // It falls over some of what is no policy at all, such as null for an object.
    errors = [`throws ${error.name}`]
  }
  console.log(JSON.stringify({ errors }))
}
