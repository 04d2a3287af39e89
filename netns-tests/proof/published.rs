//! AWS's published ranges of S3 and DynamoDB in us-east-1: data, from the same file that the product reads (B2.2).

use std::sync::OnceLock;

use super::lab::{Block, PublicService};

const DATA: &str = include_str!("../../src/model/data/aws-prefixes.txt");

/// The blocks of a service's managed prefix list.
pub fn prefixes(service: PublicService) -> &'static [Block] {
    static S3: OnceLock<Vec<Block>> = OnceLock::new();
    static DYNAMODB: OnceLock<Vec<Block>> = OnceLock::new();
    let read = || {
        let start = format!("us-east-1 {} ", service.short_name());
        let line = DATA.lines().find(|line| line.starts_with(&start)).expect("the service's line");
        let words = line.split_whitespace().skip(3);
        words.map(|word| Block::parse(word).expect("a block of AWS's list")).collect()
    };
    match service {
        PublicService::S3 => S3.get_or_init(read),
        PublicService::DynamoDb => DYNAMODB.get_or_init(read),
    }
}
