"""What Pillow makes of PNG and JPEG files that are damaged in ways it forgives: tolerance.json.

    python tolerance.py          # Pillow 13

Each entry: the file, and its pixels as CRC-32 of `convert('RGB')`, null where Pillow refuses it.
"""
import base64, io, json, struct, zlib
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).parent / 'tolerance.json'

# PNG
SIG=b'\x89PNG\r\n\x1a\n'
def ch(t,d,crc=None): 
    c=zlib.crc32(t+d) if crc is None else crc
    return struct.pack('>I',len(d))+t+d+struct.pack('>I',c)
def ihdr(w,h,d=8,c=2,il=0): return ch(b'IHDR',struct.pack('>IIBBBBB',w,h,d,c,0,0,il))
rng=np.random.RandomState(0)
W,H=8,6
rgb=rng.randint(0,256,(H,W,3)).astype(np.uint8)
rows=b''.join(b'\0'+rgb[y].tobytes() for y in range(H))
z=zlib.compress(rows)
IEND=ch(b'IEND',b'')
F={}
F['base']=SIG+ihdr(W,H)+ch(b'IDAT',z)+IEND
F['no_iend']=SIG+ihdr(W,H)+ch(b'IDAT',z)
F['no_iend_crc']=F['base'][:-4]
F['no_iend_half']=F['base'][:-7]
F['idat_no_crc']=SIG+ihdr(W,H)+ch(b'IDAT',z)[:-4]
F['idat_half_crc']=SIG+ihdr(W,H)+ch(b'IDAT',z)[:-2]
F['idat_cut_adler']=SIG+ihdr(W,H)+ch(b'IDAT',z)[:-8]
F['idat_cut_adler2']=SIG+ihdr(W,H)+ch(b'IDAT',z)[:-6]
F['idat_cut_100']=SIG+ihdr(W,H)+ch(b'IDAT',z)[:-60]
F['missing_adler_sound_chunks']=SIG+ihdr(W,H)+ch(b'IDAT',z[:-4])+IEND
F['short_adler_sound_chunks']=SIG+ihdr(W,H)+ch(b'IDAT',z[:-2])+IEND
F['bad_adler']=SIG+ihdr(W,H)+ch(b'IDAT',z[:-4]+b'abcd')+IEND
F['short_data_100']=SIG+ihdr(W,H)+ch(b'IDAT',z[:-60])+IEND
F['rows_missing']=SIG+ihdr(W,H)+ch(b'IDAT',zlib.compress(rows[:-25*3]))+IEND
F['zlib_surplus']=SIG+ihdr(W,H)+ch(b'IDAT',zlib.compress(rows+b'surplus'*30))+IEND
F['after_zlib']=SIG+ihdr(W,H)+ch(b'IDAT',z+b'junk'*30)+IEND
F['after_zlib_second_idat']=SIG+ihdr(W,H)+ch(b'IDAT',z)+ch(b'IDAT',b'junk'*30)+IEND
F['trailing_zero']=F['base']+b'\0'*500
F['trailing_text']=F['base']+b'hello'
F['trailing_png']=F['base']+F['base']
F['iend_data']=SIG+ihdr(W,H)+ch(b'IDAT',z)+ch(b'IEND',b'abc')
F['iend_badcrc']=SIG+ihdr(W,H)+ch(b'IDAT',z)+ch(b'IEND',b'',5)
F['idat_badcrc']=SIG+ihdr(W,H)+ch(b'IDAT',z,5)+IEND
F['ihdr_badcrc']=SIG+ch(b'IHDR',struct.pack('>IIBBBBB',W,H,8,2,0,0,0),5)+ch(b'IDAT',z)+IEND
F['text_badcrc']=SIG+ihdr(W,H)+ch(b'tEXt',b'a\0b',5)+ch(b'IDAT',z)+IEND
F['text_badcrc_after']=SIG+ihdr(W,H)+ch(b'IDAT',z)+ch(b'tEXt',b'a\0b',5)+IEND
F['gama_badcrc']=SIG+ihdr(W,H)+ch(b'gAMA',struct.pack('>I',45455),5)+ch(b'IDAT',z)+IEND
F['unknown_crit']=SIG+ihdr(W,H)+ch(b'ABCD',b'a')+ch(b'IDAT',z)+IEND
F['CgBI']=SIG+ch(b'CgBI',b'\x50\0\x20\6')+ihdr(W,H)+ch(b'IDAT',z)+IEND
F['bad_type_nonletter']=SIG+ihdr(W,H)+ch(b'a\0b1',b'a')+ch(b'IDAT',z)+IEND
F['anc_between_idat']=SIG+ihdr(W,H)+ch(b'IDAT',z[:50])+ch(b'tEXt',b'a\0b')+ch(b'IDAT',z[50:])+IEND
F['two_plte_rgb']=SIG+ihdr(W,H)+ch(b'PLTE',b'abc')+ch(b'PLTE',b'def')+ch(b'IDAT',z)+IEND
F['plte_after_idat_rgb']=SIG+ihdr(W,H)+ch(b'IDAT',z)+ch(b'PLTE',b'abc')+IEND
F['two_ihdr']=SIG+ihdr(W,H)+ihdr(W,H)+ch(b'IDAT',z)+IEND
F['junk_between_chunks']=SIG+ihdr(W,H)+b'junk'+ch(b'IDAT',z)+IEND
F['junk_after_idat']=SIG+ihdr(W,H)+ch(b'IDAT',z)+b'junkjunkjunk!'+IEND
F['zlib_window_small']=SIG+ihdr(W,H)+ch(b'IDAT',b'\x08\x1d'+z[2:])+IEND
F['zlib_fcheck_bad']=SIG+ihdr(W,H)+ch(b'IDAT',b'\x78\x02'+z[2:])+IEND
F['filter5']=SIG+ihdr(W,H)+ch(b'IDAT',zlib.compress(b'\5'+rows[1:]))+IEND
F['truncated_text_after_idat']=SIG+ihdr(W,H)+ch(b'IDAT',z)+ch(b'tEXt',b'a\0bcdefg')[:-6]
F['long_chunk_after_idat']=SIG+ihdr(W,H)+ch(b'IDAT',z)+struct.pack('>I',9999)+b'tEXtabc'
grey=rng.randint(0,256,(H,W)).astype(np.uint8)
grows=b''.join(b'\0'+grey[y].tobytes() for y in range(H)); gz=zlib.compress(grows)
F['grey_plte']=SIG+ihdr(W,H,8,0)+ch(b'PLTE',b'abc')+ch(b'IDAT',gz)+IEND
pal=bytes(range(200,216))*3  # 48 bytes 16 colours
idx4=rng.randint(0,16,(H,W)).astype(np.uint8)
def pack(idx,d):
    out=b''
    for r in idx:
        bits=''.join(format(v,f'0{d}b') for v in r); bits+='0'*(-len(bits)%8)
        out+=b'\0'+bytes(int(bits[i:i+8],2) for i in range(0,len(bits),8))
    return zlib.compress(out)
def palf(pal,idx,d,extra=b''): return SIG+ihdr(W,H,d,3)+ch(b'PLTE',pal)+extra+ch(b'IDAT',pack(idx,d))+IEND
F['pal_base']=palf(pal,idx4,4)
F['pal_long']=palf(pal+bytes(240*3),idx4,4)
F['pal_long257']=SIG+ihdr(W,H,8,3)+ch(b'PLTE',(pal+bytes(241*3)))+ch(b'IDAT',pack(idx4,8))+IEND
F['pal_out']=palf(pal[:24],idx4,4)
F['pal_out8']=palf(pal[:24],rng.randint(0,256,(H,W)).astype(np.uint8),8)
F['pal_not3']=palf(pal[:23],idx4%7,4)
F['pal_empty']=palf(b'',idx4,4)
F['pal_none']=SIG+ihdr(W,H,4,3)+ch(b'IDAT',pack(idx4,4))+IEND
F['pal_after_idat']=SIG+ihdr(W,H,4,3)+ch(b'IDAT',pack(idx4,4))+ch(b'PLTE',pal)+IEND
F['pal_two']=SIG+ihdr(W,H,4,3)+ch(b'PLTE',pal)+ch(b'PLTE',pal[::-1])+ch(b'IDAT',pack(idx4,4))+IEND
F['pal_badcrc']=SIG+ihdr(W,H,4,3)+ch(b'PLTE',pal,7)+ch(b'IDAT',pack(idx4,4))+IEND
F['pal_trns_long']=palf(pal,idx4,4,ch(b'tRNS',bytes(30)))
PNG=F

# JPEG
im=Image.open(Path(__file__).parents[3]/'examples'/'dog.jpg').convert('RGB').resize((48,32))
def enc(img=im,**k):
    b=io.BytesIO(); img.save(b,'JPEG',quality=85,**k); return b.getvalue()
base=enc(subsampling=0); b420=enc(subsampling=2); prog=enc(progressive=True,subsampling=0); grey=enc(im.convert('L'))
rst=enc(subsampling=0,restart_marker_blocks=4); rst420=enc(subsampling=2,restart_marker_blocks=1); rstg=enc(im.convert('L'),restart_marker_blocks=5); rstp=enc(progressive=True,subsampling=0,restart_marker_blocks=4)
def segs(b):
    out=[('SOI',0,2)];i=2
    while True:
        m=b[i+1]; n=(b[i+2]<<8)|b[i+3]
        if m==0xda:
            j=i+2+n
            while not (b[j]==0xff and b[j+1] not in (0,*range(0xd0,0xd8))): j+=1
            out.append((m,i,j)); i=j
            if b[i+1]==0xd9: out.append((0xd9,i,i+2)); return out
        else: out.append((m,i,i+2+n)); i+=2+n
def at(b,m,n=0): return [s for s in segs(b) if s[0]==m][n][1]
def ins(b,p,x): return b[:p]+x+b[p:]
def rsts(b): return [i for i in range(at(b,0xda),len(b)-1) if b[i]==0xff and 0xd0<=b[i+1]<=0xd7]
F={'base':base,'b420':b420,'prog':prog,'grey':grey,'rst':rst,'rst420':rst420,'rstg':rstg,'rstp':rstp}
F['junk_before_dqt']=ins(base,at(base,0xdb),b'junk')
F['junk_after_soi']=ins(base,2,b'junk')
F['zeros_after_soi']=ins(base,2,b'\0\0')
F['junk_before_sos']=ins(base,at(base,0xda),b'junk!!')
F['junk_before_sos_ff00']=ins(base,at(base,0xda),b'ju\xff\0nk')
F['junk_before_dht']=ins(base,at(base,0xc4),b'\1\2\3')
F['junk_before_eoi']=ins(base,len(base)-2,b'junkjunk')
F['zeros_before_eoi']=ins(base,len(base)-2,bytes(64))
F['junk_before_eoi_prog']=ins(prog,len(prog)-2,b'junkjunk')
F['junk_between_scans']=ins(prog,at(prog,0xda,1),b'junk')
F['fill_bytes']=ins(base,at(base,0xc4),b'\xff\xff\xff')
F['rst_between_segments']=ins(base,at(base,0xc4),b'\xff\xd3')
F['tem_between_segments']=ins(base,at(base,0xc4),b'\xff\x01')
F['soi_twice']=ins(base,2,b'\xff\xd8')
F['no_eoi']=base[:-2]; F['no_eoi_prog']=prog[:-2]; F['no_eoi_grey']=grey[:-2]; F['half_eoi']=base[:-1]; F['no_eoi_420']=b420[:-2]
F['no_eoi_trailing_zeros']=base[:-2]+bytes(100)
F['cut1']=base[:-3]; F['cut2']=base[:-4]; F['cut10']=base[:-12]; F['cut200']=base[:-202]; F['cut_half']=base[:len(base)//2]
F['cut_prog_scans']=prog[:at(prog,0xda,3)]; F['cut_prog_scans_eoi']=prog[:at(prog,0xda,3)]+b'\xff\xd9'
F['cut10_eoi']=base[:-12]+b'\xff\xd9'; F['cut200_eoi']=base[:-202]+b'\xff\xd9'
F['trailing']=base+b'hello'*100; F['two_images']=base+base
for nm,b in (('rst',rst),('rst420',rst420),('rstg',rstg),('rstp',rstp)):
    r=rsts(b)
    F[nm+'_miss0']=b[:r[0]]+b[r[0]+2:]; F[nm+'_miss2']=b[:r[2]]+b[r[2]+2:]; F[nm+'_misslast']=b[:r[-1]]+b[r[-1]+2:]
    F[nm+'_miss23']=b[:r[2]]+b[r[2]+2:r[3]]+b[r[3]+2:]
    F[nm+'_missall']=None
    x=b
    for p in reversed(r): x=x[:p]+x[p+2:]
    F[nm+'_missall']=x
    F[nm+'_wrongnum']=b[:r[2]+1]+bytes([0xd0+((b[r[2]+1]-0xd0+4)%8)])+b[r[2]+2:]
    F[nm+'_wrong_plus1']=b[:r[2]+1]+bytes([0xd0+((b[r[2]+1]-0xd0+1)%8)])+b[r[2]+2:]
    F[nm+'_wrong_minus1']=b[:r[2]+1]+bytes([0xd0+((b[r[2]+1]-0xd0-1)%8)])+b[r[2]+2:]
    F[nm+'_dup']=ins(b,r[2],b[r[2]:r[2]+2])
    F[nm+'_lostseg']=b[:r[2]]+b[r[3]:]
    F[nm+'_junk_before_rst']=ins(b,r[2],b'jun')
    F[nm+'_extra_at_end']=ins(b,len(b)-2,b'\xff'+bytes([0xd0+len(r)%8]))
    d=at(b,0xdd); F[nm+'_nodri']=b[:d]+b[d+6:]
d=at(base,0xda); F['dri_without_rst']=ins(base,d,b'\xff\xdd\0\4\0\6')
d=at(prog,0xda); F['dri_without_rst_prog']=ins(prog,d,b'\xff\xdd\0\4\0\6')
def nodht(b):
    out=b'';
    for s in segs(b):
        if s[0]!=0xc4: out+=b[s[1]:s[2]]
    return out
F['nodht']=nodht(base); F['nodht420']=nodht(b420); F['nodht_grey']=nodht(grey); F['nodht_prog']=nodht(prog)
# only some tables there
def drop(b,n):
    s=[s for s in segs(b) if s[0]==0xc4][n]; return b[:s[1]]+b[s[2]:]
n=len([s for s in segs(base) if s[0]==0xc4]); F['dht_count_%d'%n]=base
for i in range(n): F[f'drop_dht{i}']=drop(base,i)
F['noapp0']=base[:2]+base[20:]
p=at(base,0xdb); F['dqt_zero']=base[:p+10]+b'\0'+base[p+11:]
F['app_len_long']=ins(base,2,b'\xff\xe5\0\x10abc'); F['app_len_short']=ins(base,2,b'\xff\xe5\0\4abcdefgh')
F['com_len0']=ins(base,2,b'\xff\xfe\0\0')
F['com_len1']=ins(base,2,b'\xff\xfe\0\1')
F['reserved_marker']=ins(base,2,b'\xff\x20\0\4ab'); F['jpg0']=ins(base,2,b'\xff\xf1\0\4ab')
F['missing_soi']=base[2:]
F['dri_len']=ins(base,at(base,0xda),b'\xff\xdd\0\5\0\0\0')
F['sos_bad_band']=base.replace(base[at(base,0xda):at(base,0xda)+14],base[at(base,0xda):at(base,0xda)+11]+b'\0\0\0')
F['sos_bad_band2']=base.replace(base[at(base,0xda):at(base,0xda)+14],base[at(base,0xda):at(base,0xda)+11]+b'\0\x3f\1')
s=at(base,0xda); F['flip']=base[:s+200]+bytes([base[s+200]^0x55])+base[s+201:]
F['marker_in_data']=ins(base,s+200,b'\xff\x20'); F['eoi_in_data']=ins(base,s+200,b'\xff\xd9'); F['rst_in_data']=ins(base,s+200,b'\xff\xd0'); F['com_in_data']=ins(base,s+200,b'\xff\xfe\0\4ab')
F['ff_fill_in_data_before_eoi']=ins(base,len(base)-2,b'\xff\xff')
F['two_sof']=ins(base,at(base,0xc4),base[at(base,0xc0):at(base,0xc0)+19])
f=at(base,0xc0); F['height0']=base[:f+5]+b'\0\0'+base[f+7:]
F['taller']=base[:f+5]+b'\0\x28'+base[f+7:]   # 56 rows, data for 48
F['shorter']=base[:f+5]+b'\0\x18'+base[f+7:]
F['sof1']=base[:f]+b'\xff\xc1'+base[f+2:]
F['dup_ids']=base[:f+10]+bytes([1])+base[f+11:f+13]+bytes([1])+base[f+14:f+16]+bytes([1])+base[f+17:]
JPEG=F

def entry(file, pixels): return {'file': base64.b64encode(file).decode(), **pixels}

def pixels(file):
    try:
        a = np.array(Image.open(io.BytesIO(file)).convert('RGB'))
        return {'pillow': zlib.crc32(a.tobytes())}
    except Exception:
        return {'pillow': None}

OUT.write_text(json.dumps({
    'png': {name: entry(file, pixels(file)) for name, file in PNG.items()},
    'jpeg': {name: entry(file, pixels(file)) for name, file in JPEG.items()},
}, separators=(',', ':')).replace('},"', '},\n"') + '\n')
