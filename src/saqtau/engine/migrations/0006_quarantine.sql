-- What nobody understood may hold a plate: it is kept for days, to repair a camera, and then it goes.
grant delete on quarantine to saqtau_worker;
