//! DNS answers: public, endpoint and private zones; one view per VPC.
