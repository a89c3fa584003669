"""A fully connected network trained by backpropagation, in the number formats of today's chips."""

from cbramsim.simulator.digital.mlp.configuration import MlpConfig
from cbramsim.simulator.digital.mlp.lottery_ticket import LotteryTicket, find_ticket
from cbramsim.simulator.digital.mlp.network import Mlp, Progress

__all__ = ["LotteryTicket", "Mlp", "MlpConfig", "Progress", "find_ticket"]
