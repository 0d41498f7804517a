"""Small experiments that teach what the adversarial core does, each within minutes on a CPU."""
