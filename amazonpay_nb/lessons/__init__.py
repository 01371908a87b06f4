"""Drills: problems caused on the emulator and played until they recover, as rows of tables.

    account = MerchantAccount(emulator)
    show(play_codes(account))        # every simulation code: answer, objects afterward, next step

Without an emulator there is no account to play with: the rows are the same, and say that they were not tried.
"""
