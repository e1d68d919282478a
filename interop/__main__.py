import sys, tempfile
from pathlib import Path
from interop import peers, queries
from interop.report import Report
from interop.sandbox import Sandbox
import time
r=Report()
recs=[]
base=Path('/tmp/ct-int'); 
import shutil; shutil.rmtree(base,ignore_errors=True); base.mkdir(mode=0o755)
for i in range(2):
    w=base/str(i); w.mkdir()
    t=time.time()
    with Sandbox(Path(sys.argv[1]),w) as s, peers.start(peers.REAL,s,peers.OPEN_POLICY) as c:
        recs.append(queries.drive(c,r,w))
    print(time.time()-t)
queries.compare(r,*recs)
r.close()
