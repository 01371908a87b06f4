"""Static views of things, as HTML and as text: a notebook commits them, and a forge, a page or a terminal shows them.

    show(permission)                     # what it is, what its state means, what a merchant can do now
    show(CHARGE)                         # the table of its life
    show(refusal)                        # what happened, and the way out

`views` turns a thing into blocks, and a block knows both of its forms.  Outputs repeat: nothing here looks at a clock,
makes an id or prints a key.
"""

from amazonpay_nb.workbench.show.blocks import Shown
from amazonpay_nb.workbench.show.views import show

__all__ = ["Shown", "show"]
