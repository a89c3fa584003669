"""Fully connected network trained by backpropagation, in the number formats of today's chips."""

from cbramsim.simulator.comparison.mlp.configuration import MlpConfig
from cbramsim.simulator.comparison.mlp.lottery_ticket import LotteryTicket, find_ticket
from cbramsim.simulator.comparison.mlp.network import Mlp, Progress

__all__ = ["LotteryTicket", "Mlp", "MlpConfig", "Progress", "find_ticket"]
