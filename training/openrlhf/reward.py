"""What OpenRLHF's --reward.remote_url names."""

from golong_eval.adapters.openrlhf import RewardFunction

# The models of this folder's launch file think: exactly one closed thinking, or 0.
reward_func = RewardFunction(require_think=True)
