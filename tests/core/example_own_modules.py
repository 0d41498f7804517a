"""Two networks of your own learn a distribution: the whole adversarial training."""

import torch
from torch import nn

from imgan.core import R1, AdversarialStep

torch.manual_seed(0)
torch.set_num_threads(1)  # such small networks run fastest on one

generator = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 1))
critic = nn.Sequential(nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 1))
adam_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.0, 0.99))
adam_d = torch.optim.Adam(critic.parameters(), lr=4e-3, betas=(0.0, 0.99))
step = AdversarialStep(generator, critic, adam_g, adam_d, penalties=[R1(0.1, every=4)])

for _ in range(1000):
    real = 3 + 0.5 * torch.randn(128, 1)
    fake = generator(torch.randn(128, 4))
    log = step.discriminator(critic, real=real, fake=fake)
    log |= step.generator(critic, fake=fake)

fake = generator(torch.randn(10_000, 4))
print(f"data: 3.00 +- 0.50, generated: {fake.mean():.2f} +- {fake.std():.2f}")
