//! CloudFormation as written (spans kept) to as meant (changes to the world).
