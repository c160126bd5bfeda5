//! One-against-one classification: a comparison for each pair of classes.

use super::post_transform::logistic;

/// The class with the most votes (the first of equals), and the score of each pair.
pub(crate) fn vote(kernels: &[f32], coefficients: &[f32], rho: &[f32], bounds: &[usize]) -> (usize, Vec<f32>) {
    let classes = bounds.len() - 1;
    let count = bounds[classes];
    let sum = |row: usize, class: usize| {
        let vectors = bounds[class]..bounds[class + 1];
        let coefficients = &coefficients[row * count..][vectors.clone()];
        coefficients
            .iter()
            .zip(&kernels[vectors])
            .map(|(a, b)| f64::from(a * b))
            .sum::<f64>()
    };
    let mut votes = vec![0usize; classes];
    let mut scores = Vec::with_capacity(rho.len());
    for first in 0..classes {
        for second in first + 1..classes {
            let score = sum(second - 1, first) + sum(first, second) + f64::from(rho[scores.len()]);
            votes[if score > 0.0 { first } else { second }] += 1;
            scores.push(score as f32);
        }
    }
    let most = votes.iter().max().copied().unwrap_or(0);
    (votes.iter().position(|&votes| votes == most).unwrap_or(0), scores)
}

/// Class probabilities from the probabilities of each pair, by the second method of Wu, Lin and Weng 2004, "Probability
/// estimates for multi-class classification by pairwise coupling".
pub(crate) fn class_probabilities(scores: &[f32], parameters: &[(f32, f32)], classes: usize) -> Vec<f32> {
    let mut pairwise = vec![0f32; classes * classes];
    let mut pair = 0;
    for first in 0..classes {
        for second in first + 1..classes {
            let (a, b) = parameters[pair];
            let probability = (1.0 - logistic(scores[pair] * a + b)).clamp(1e-7, 1.0 - 1e-7);
            pairwise[first * classes + second] = probability;
            pairwise[second * classes + first] = 1.0 - probability;
            pair += 1;
        }
    }
    couple(&pairwise, classes)
}

fn couple(pairwise: &[f32], classes: usize) -> Vec<f32> {
    const ROUNDS: usize = 100;
    let at = |row: usize, column: usize| row * classes + column;
    let mut matrix = vec![0f32; classes * classes];
    for row in 0..classes {
        for column in (0..classes).filter(|&column| column != row) {
            matrix[at(row, row)] += pairwise[at(column, row)] * pairwise[at(column, row)];
            matrix[at(row, column)] = -pairwise[at(column, row)] * pairwise[at(row, column)];
        }
    }
    let mut probabilities = vec![1.0 / classes as f32; classes];
    for _ in 0..ROUNDS {
        let mut products: Vec<f32> = (0..classes)
            .map(|row| {
                (0..classes)
                    .map(|column| matrix[at(row, column)] * probabilities[column])
                    .sum()
            })
            .collect();
        let mut total: f32 = products
            .iter()
            .zip(&probabilities)
            .map(|(product, probability)| product * probability)
            .sum();
        let largest = products
            .iter()
            .map(|product| (product - total).abs())
            .fold(0f32, f32::max);
        if largest < 0.005 / classes as f32 {
            break;
        }
        for row in 0..classes {
            let change = (total - products[row]) / matrix[at(row, row)];
            probabilities[row] += change;
            let scale = 1.0 + change;
            total = (total + change * (change * matrix[at(row, row)] + 2.0 * products[row])) / scale / scale;
            for column in 0..classes {
                products[column] = (products[column] + change * matrix[at(row, column)]) / scale;
                probabilities[column] /= scale;
            }
        }
    }
    probabilities
}
